//! Processes, signals, timers and the terminal. The only place that names rustix, libc and signal-hook.
