//! `run` and `hold`: a lock is held while something else goes on.
