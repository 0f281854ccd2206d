//! s3-lock on a terminal, alone and as a shell's job.

use std::process::Command;
use std::thread;
use std::time::Duration;

use crate::eventually;
use crate::folder::Folder;
use crate::program::{run, s3_lock};
use crate::run::{GO_ON, is_held, is_released, run_text, wrapped};
use crate::store::{URL, stored};
use crate::support::Server;
use crate::terminal::Terminal;

const CTRL_C: &str = "\u{3}";
const CTRL_Z: &str = "\u{1a}";

#[test]
fn run_lets_the_command_read_from_the_terminal() {
    let server = Server::start();
    let text = "echo ready; read line; echo \"got <$line>\"; read line; echo \"and <$line>\"";
    let mut terminal = Terminal::start(&mut run_text(&server, &[], text));
    terminal.shows("ready");
    terminal.enter("one\n");
    terminal.shows("got <one>");
    terminal.enter("two\n");
    terminal.shows("and <two>");
    assert_eq!(terminal.end().code(), Some(0));
}

#[test]
fn run_passes_ctrl_c_on_to_a_command_that_does_not_read() {
    let server = Server::start();
    let text = format!("trap 'echo interrupted; exit 5' INT; echo ready; {GO_ON}");
    let mut terminal = Terminal::start(&mut run_text(&server, &[], &text));
    terminal.shows("ready");
    terminal.enter(CTRL_C);
    let ended = terminal.end();
    assert_eq!(ended.code(), Some(5), "{ended:?}");
    is_released(&server);
}

#[test]
fn run_leaves_ctrl_c_to_a_command_that_reads() {
    let server = Server::start();
    let text = format!("trap 'echo once more' INT; read line; echo ready; {GO_ON}");
    let mut terminal = Terminal::start(&mut run_text(&server, &[], &text));
    is_held(&server);
    terminal.enter("go\n");
    terminal.shows("ready");
    terminal.enter(CTRL_C);
    terminal.shows("once more");
    thread::sleep(Duration::from_millis(300));
    // The terminal has told the command, and s3-lock has not told it once more.
    assert_eq!(terminal.shown().matches("once more").count(), 1);
    assert!(terminal.program().is_running());
}

#[test]
fn run_ends_a_command_that_reads_at_the_second_ctrl_c() {
    let server = Server::start();
    let text = format!(
        "trap 'echo int' INT; trap 'echo term; exit 5' TERM; read line; echo ready; {GO_ON}"
    );
    let mut terminal = Terminal::start(&mut run_text(&server, &[], &text));
    is_held(&server);
    terminal.enter("go\n");
    terminal.shows("ready");
    terminal.enter(CTRL_C);
    terminal.shows("int");
    // A signal that comes while the watchdog has not yet seen the one before counts as the same.
    let was_told = (0..20).any(|_| {
        thread::sleep(Duration::from_millis(300));
        terminal.enter(CTRL_C);
        terminal.shows_within("term", Duration::from_secs(1))
    });
    assert!(was_told, "{:?}", terminal.shown());
    let ended = terminal.end();
    assert_eq!(ended.code(), Some(5), "{ended:?}");
}

#[test]
fn run_that_waits_is_ended_by_ctrl_c() {
    let server = Server::start();
    let _guard = crate::run::held(&server);
    let mut terminal = Terminal::start(&mut run_text(&server, &[], "echo ran"));
    terminal.shows("next in line");
    terminal.enter(CTRL_C);
    let ended = terminal.end();
    assert_eq!(ended.code(), Some(130), "{ended:?}");
    assert_eq!(crate::run::tickets(&server), 0);
}

/// A shell with job control in a terminal. Its variable `lock` is `s3-lock run` with these options.
struct Shell(Terminal);

impl Shell {
    fn start(server: &Server, options: &[&str]) -> Shell {
        let words = ["run", URL].iter().chain(options);
        let command = s3_lock(server, words);
        let mut shell = Command::new("sh");
        shell.arg("-i").env_clear();
        for (name, value) in command.get_envs() {
            shell.env(name, value.unwrap());
        }
        let words: Vec<_> = command
            .get_args()
            .map(|word| word.to_str().unwrap())
            .collect();
        let program = command.get_program().to_str().unwrap();
        shell.env("lock", format!("{program} {}", words.join(" ")));
        // So that what is typed is not taken for what is shown.
        shell.env("PS1", "$ ").env("E", "exited-with");
        let terminal = Terminal::start(&mut shell);
        terminal.shows("$ ");
        Shell(terminal)
    }

    fn enter(&mut self, text: &str) {
        self.0.enter(text);
    }

    fn shows(&self, text: &str) {
        self.0.shows(text);
    }

    /// Waits until the shell is what reads, and says the value of a word. A job may take what is typed before it ends.
    fn says(&mut self, word: &str, value: &str) {
        let said = format!("exited-with-{value}");
        for _ in 0..100 {
            if self.0.shown().contains(&said) {
                return;
            }
            self.enter(&format!("echo $E-{word}\n"));
            thread::sleep(Duration::from_millis(500));
        }
        panic!("it does not say {value}: {:?}", self.0.shown());
    }
}

/// A text that writes into a file, again and again, until there is a file `end`.
fn writing(folder: &Folder) -> String {
    let (log, end) = (folder.file("log"), folder.file("end"));
    format!("until [ -e {end} ]; do echo . >> {log}; sleep 0.02; done; exit 6")
}

fn is_writing(folder: &Folder) -> bool {
    let size = || folder.text("log").len();
    let before = size();
    thread::sleep(Duration::from_millis(400));
    size() > before
}

fn goes_through_a_stop(run: &str, first: &str, typed: &str) {
    let server = Server::start();
    let folder = Folder::new();
    let mut shell = Shell::start(&server, &[]);
    folder.write("job", &format!("{first}\n{}", writing(&folder)));
    let job = folder.file("job");
    shell.enter(&format!("{run} -- sh {job}; echo $E $?\n"));
    is_held(&server);
    shell.enter(typed);
    eventually("it writes", || is_writing(&folder));
    shell.enter(CTRL_Z);
    eventually("it is stopped", || !is_writing(&folder));
    shell.shows("topped");
    shell.enter("fg\n");
    eventually("it writes again", || is_writing(&folder));
    // What has been stopped once can be interrupted as before.
    folder.write("end", "");
    is_released(&server);
    shell.enter("echo $E-$?\n");
    shell.shows("exited-with-6");
}

#[test]
fn run_stops_and_goes_on_with_its_command_as_one_job() {
    goes_through_a_stop("$lock", "", "");
}

#[test]
fn run_stops_and_goes_on_with_a_command_that_reads_as_one_job() {
    goes_through_a_stop("$lock", "read line", "go\n");
}

#[test]
fn run_within_a_run_stops_and_goes_on_with_a_command_that_reads_as_one_job() {
    let run = "$lock -- $(echo $lock | sed s/nightly/inner/)";
    goes_through_a_stop(run, "read line", "go\n");
}

#[test]
fn run_that_was_stopped_lets_the_command_read_on() {
    let server = Server::start();
    let folder = Folder::new();
    let mut shell = Shell::start(&server, &[]);
    folder.write(
        "job",
        "read line; echo \"first:$line\"; read line; echo \"then:$line\"\n",
    );
    shell.enter(&format!("$lock -- sh {}\n", folder.file("job")));
    is_held(&server);
    shell.enter("one\n");
    shell.shows("first:one");
    shell.enter(CTRL_Z);
    shell.shows("topped");
    shell.enter("fg\n");
    thread::sleep(Duration::from_millis(300));
    shell.enter("two\n");
    shell.shows("then:two");
    is_released(&server);
}

#[test]
fn run_that_is_stopped_beyond_its_deadline_kills_the_command_before_it_goes_on() {
    let server = Server::start();
    let folder = Folder::new();
    let short = [
        "--request-timeout=1s",
        "--max-operation=2s",
        "--kill-after=1s",
    ];
    let mut shell = Shell::start(&server, &short);
    let job = format!("trap '' TERM; {}", writing(&folder));
    folder.write("job", &job);
    shell.enter(&format!("$lock -- sh {}\n", folder.file("job")));
    eventually("it writes", || is_writing(&folder));
    shell.enter(CTRL_Z);
    shell.shows("topped");
    eventually("it is stopped", || !is_writing(&folder));
    let written = folder.text("log").len();
    thread::sleep(Duration::from_secs(5));
    shell.enter("fg\n");
    shell.shows("ending the command");
    shell.enter("echo $E-$?\n");
    shell.shows("exited-with-124");
    assert_eq!(folder.text("log").len(), written);
}

#[test]
fn run_in_the_background_reads_once_it_is_brought_into_the_foreground() {
    let server = Server::start();
    let folder = Folder::new();
    let mut shell = Shell::start(&server, &[]);
    folder.write("job", "read line; echo \"got:$line\"\n");
    shell.enter(&format!("$lock -- sh {} &\n", folder.file("job")));
    is_held(&server);
    thread::sleep(Duration::from_millis(500));
    // The shell still reads what is typed.
    shell.enter("echo $E-shell\n");
    shell.shows("exited-with-shell");
    shell.enter("fg\n");
    thread::sleep(Duration::from_millis(500));
    shell.enter("one\n");
    shell.shows("got:one");
    is_released(&server);
}

#[test]
fn run_gives_the_terminal_back_to_whoever_has_started_it() {
    let server = Server::start();
    let mut shell = Shell::start(&server, &[]);
    // A shell without job control of its own does not take the terminal back.
    let inner = "sh -c '$lock -c \"read line; echo got:\\$line\"; read line; echo $E-$line'";
    shell.enter(&format!("{inner}\n"));
    is_held(&server);
    shell.enter("one\n");
    shell.shows("got:one");
    is_released(&server);
    shell.enter("two\n");
    shell.shows("exited-with-two");
}

#[test]
fn run_gives_the_terminal_back_if_the_command_was_killed() {
    let server = Server::start();
    let mut shell = Shell::start(&server, &[]);
    let inner = "sh -c '$lock -c \"read line; kill -9 \\$\\$\"; read line; echo $E-$line'";
    shell.enter(&format!("{inner}\n"));
    is_held(&server);
    shell.enter("one\n");
    is_released(&server);
    shell.enter("two\n");
    shell.shows("exited-with-two");
}

#[test]
fn run_starts_a_shell_with_job_control() {
    let server = Server::start();
    let mut shell = Shell::start(&server, &[]);
    shell.enter("$lock -- sh -i\n");
    is_held(&server);
    shell.enter("echo $E-$((1 + 1))\n");
    shell.shows("exited-with-2");
    // A job of the inner shell gets Ctrl-C and Ctrl-Z, and nobody else does.
    shell.enter("sleep 61\n");
    thread::sleep(Duration::from_millis(300));
    shell.enter(CTRL_C);
    shell.says("$((1 + 2))", "3");
    shell.enter("sleep 62\n");
    thread::sleep(Duration::from_millis(300));
    shell.enter(CTRL_Z);
    shell.shows("topped");
    shell.enter("kill %1; exit 7; exit 7\n");
    is_released(&server);
    shell.enter("echo $E-$((2 + 2))-$?\n");
    shell.shows("exited-with-4-7");
}

#[test]
fn run_at_the_head_of_a_pipe_ends_the_pipe_with_the_command() {
    let server = Server::start();
    let command = run_text(&server, &[], "echo hello");
    let ended = run(&mut wrapped(
        &command,
        &["sh", "-c", "\"$@\" 2>&1 | cat", "sh"],
    ));
    assert_eq!((ended.code(), ended.stdout.as_str()), (Some(0), "hello\n"));
}

#[test]
fn run_lets_the_readers_of_a_killed_one_see_its_end() {
    let server = Server::start();
    // If the watchdog or anybody else kept the pipe open, `cat` would wait.
    let command = run_text(&server, &[], "kill -9 $PPID; exec sleep 60");
    let ended = run(&mut wrapped(
        &command,
        &["sh", "-c", "\"$@\" 2>&1 | cat", "sh"],
    ));
    assert_eq!(ended.code(), Some(0), "{ended:?}");
}

#[test]
fn run_without_a_terminal_does_not_look_for_one() {
    let server = Server::start();
    let command = run_text(&server, &[], "cat; echo done");
    let ended = run(&mut wrapped(&command, &["setsid", "-w"]));
    assert_eq!((ended.code(), ended.stdout.as_str()), (Some(0), "done\n"));
}

#[test]
fn run_within_a_run_lets_the_command_read_from_the_terminal() {
    let server = Server::start();
    let inner = "exec $S3_LOCK --assume-conditional-writes run s3://locks-test/locks/inner -c \
                 'read line; echo \"got <$line>\"; exit 3'";
    let mut outer = run_text(&server, &[], inner);
    let program = outer.get_program().to_owned();
    let mut terminal = Terminal::start(outer.env("S3_LOCK", program));
    is_held(&server);
    terminal.enter("one\n");
    terminal.shows("got <one>");
    assert_eq!(terminal.end().code(), Some(3));
}

#[test]
fn run_that_no_shell_could_continue_does_not_stop() {
    let server = Server::start();
    let folder = Folder::new();
    let mut terminal = Terminal::start(&mut run_text(&server, &[], &writing(&folder)));
    eventually("it writes", || is_writing(&folder));
    terminal.enter(CTRL_Z);
    thread::sleep(Duration::from_millis(500));
    assert!(is_writing(&folder), "it has been stopped for good");
    folder.write("end", "");
    assert_eq!(terminal.end().code(), Some(6));
}

#[test]
fn run_whose_command_can_never_read_from_the_terminal_comes_to_its_end() {
    let server = Server::start();
    let folder = Folder::new();
    let mut shell = Shell::start(&server, &[]);
    folder.write("job", "read line; echo \"got:$line\"\n");
    // The shell that has started it is gone, and the one that reads does not know it.
    shell.enter(&format!("(sh -c '$lock -- sh {} &')\n", folder.file("job")));
    is_released(&server);
    shell.says("still", "still");
}

#[test]
fn run_whose_terminal_goes_away_ends_the_command_and_releases_the_lock() {
    for first in ["", "read line"] {
        let server = Server::start();
        let folder = Folder::new();
        let mut shell = Shell::start(&server, &[]);
        folder.write("job", &format!("{first}\n{}", writing(&folder)));
        shell.enter(&format!("$lock -- sh {}\n", folder.file("job")));
        is_held(&server);
        shell.enter("go\n");
        eventually("it writes", || is_writing(&folder));
        // The terminal hangs up when the process ends that it belongs to.
        shell.0.program().signal(libc::SIGKILL);
        is_released(&server);
        crate::run::are_gone(shell.0.program(), Duration::from_secs(60));
    }
}

#[test]
fn run_that_is_killed_leaves_the_terminal_to_the_shell() {
    for first in ["", "read line"] {
        let server = Server::start();
        let folder = Folder::new();
        let mut shell = Shell::start(&server, &[]);
        folder.write("job", &format!("{first}\n{}", writing(&folder)));
        shell.enter(&format!("$lock -- sh {}\n", folder.file("job")));
        is_held(&server);
        shell.enter("go\n");
        eventually("it writes", || is_writing(&folder));
        let holder = stored(&server).unwrap()["pid"].as_i64().unwrap();
        crate::program::signal(holder.try_into().unwrap(), libc::SIGKILL);
        shell.says("here", "here");
        eventually("the command is gone", || !is_writing(&folder));
    }
}

#[test]
fn run_goes_on_in_the_background_after_bg() {
    let server = Server::start();
    let folder = Folder::new();
    let mut shell = Shell::start(&server, &[]);
    folder.write("job", &writing(&folder));
    shell.enter(&format!("$lock -- sh {}\n", folder.file("job")));
    eventually("it writes", || is_writing(&folder));
    shell.enter(CTRL_Z);
    eventually("it is stopped", || !is_writing(&folder));
    shell.shows("topped");
    shell.enter("bg\n");
    eventually("it writes again", || is_writing(&folder));
    // It is no business of a job in the background.
    shell.enter(CTRL_C);
    shell.says("here", "here");
    assert!(is_writing(&folder));
    folder.write("end", "");
    is_released(&server);
}

#[test]
fn run_that_has_ended_an_editor_leaves_a_terminal_that_shows_what_is_typed() {
    let server = Server::start();
    let folder = Folder::new();
    let mut shell = Shell::start(&server, &["--max-hold=1s"]);
    // As an editor does: it reads what is typed at once, and shows it itself.
    folder.write("job", "stty raw -echo; echo ready; exec sleep 60\n");
    shell.enter(&format!("$lock -- sh {}\n", folder.file("job")));
    shell.shows("ready");
    shell.shows("--max-hold was reached");
    is_released(&server);
    shell.says("here", "here");
    shell.enter("stty -a\n");
    shell.shows("; line = 0;");
    thread::sleep(Duration::from_millis(300));
    let shown = shell.0.shown();
    let modes: Vec<_> = shown
        .rsplit("; line = 0;")
        .next()
        .unwrap()
        .split_whitespace()
        .collect();
    assert!(
        modes.contains(&"icanon") && modes.contains(&"echo"),
        "{modes:?}"
    );
}
