//! What goes to standard output.

use std::fmt::Arguments;
use std::io::{ErrorKind, Write, stdout};

/// Writes to standard output. A reader that has gone, as `head` does, ends nothing: the files are
/// still written, and the exit code still tells how it went.
pub(crate) fn write(text: Arguments<'_>) {
    match stdout().lock().write_fmt(text) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            eprintln!("error: cannot write the output: {error}");
            std::process::exit(2);
        }
        _ => {}
    }
}

/// Like `print!`, but for a reader that has gone.
macro_rules! say {
    ($($text:tt)*) => {
        $crate::output::write(format_args!($($text)*))
    };
}

/// Like `println!`, but for a reader that has gone.
macro_rules! sayln {
    ($($text:tt)*) => {
        $crate::output::write(format_args!("{}\n", format_args!($($text)*)))
    };
}
