//! `run --trace`: a line for each change of state, written as it happens.

use std::fs::File;
use std::io::{BufWriter, Error, Write};
use std::sync::{Arc, Mutex, PoisonError};

use serf_sim::check::Check;
use serf_sim::chronicle::Tracer;

use crate::BadInput;

/// A file that lines go to; the first error is told at the end.
pub(crate) struct TraceFile {
    path: String,
    open: Arc<Mutex<Open>>,
}

struct Open {
    file: BufWriter<File>,
    wrong: Option<Error>,
}

impl TraceFile {
    pub(crate) fn create(path: &str) -> Result<Self, BadInput> {
        let file = File::create(path).map_err(|error| BadInput(format!("{path}: {error}")))?;
        let open = Open {
            file: BufWriter::new(file),
            wrong: None,
        };
        let this = Self {
            path: path.to_owned(),
            open: Arc::new(Mutex::new(open)),
        };
        write(&this.open, Tracer::<fn(&str)>::HEAD);
        Ok(this)
    }

    /// The check that writes to it.
    pub(crate) fn tracer(&self) -> impl Check + use<> {
        let open = Arc::clone(&self.open);
        Tracer::new(move |line: &str| write(&open, line))
    }

    pub(crate) fn finish(self) -> Result<(), BadInput> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let flushed = open.file.flush();
        match open.wrong.take().map_or(flushed, Err) {
            Ok(()) => Ok(()),
            Err(error) => Err(BadInput(format!("{}: {error}", self.path))),
        }
    }
}

fn write(open: &Mutex<Open>, line: &str) {
    let mut open = open.lock().unwrap_or_else(PoisonError::into_inner);
    if open.wrong.is_none()
        && let Err(error) = writeln!(open.file, "{line}")
    {
        open.wrong = Some(error);
    }
}
