//! The backend's gRPC server as a Python class.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use pyo3::exceptions::{PyOSError, PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyTuple;
use rover_ingest::{IngestError, IngestOptions};

use crate::engine_module::row_tuples;

/// The backend's gRPC server.
#[pyclass]
pub struct Ingest {
    address: String,
    options: IngestOptions,
    /// Absent until it was started; stays after the stop, for the rows that are left.
    server: Mutex<Option<Arc<rover_ingest::Ingest>>>,
}

impl Ingest {
    /// A handle of its own, so that who waits for rows does not keep others from stopping the server.
    fn server(&self) -> Option<Arc<rover_ingest::Ingest>> {
        self.server.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[pymethods]
impl Ingest {
    #[new]
    fn new(address: String, options: &str) -> PyResult<Ingest> {
        let options = IngestOptions::from_json(options).map_err(|error| PyValueError::new_err(error.to_string()))?;
        Ok(Ingest { address, options, server: Mutex::new(None) })
    }

    fn start(&self, py: Python<'_>) -> PyResult<u16> {
        let started = py.detach(|| rover_ingest::Ingest::start(&self.address, self.options.clone()));
        let server = started.map_err(|error| match &error {
            IngestError::Bind(_, cause) => match cause.raw_os_error() {
                // With both arguments Python makes errno and strerror of them.
                Some(number) => PyOSError::new_err((number, cause_text(cause))),
                None => PyOSError::new_err(cause.to_string()),
            },
            IngestError::Tls(..) => PyValueError::new_err(error.to_string()),
            IngestError::Options(_) | IngestError::Runtime(_) => PyRuntimeError::new_err(error.to_string()),
        })?;
        let port = server.address().port();
        *self.server.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(server));
        Ok(port)
    }

    fn renew_certificate(&self) -> PyResult<()> {
        let renewed = self.server().map_or(Ok(()), |server| server.renew_certificate());
        renewed.map_err(|error| PyValueError::new_err(error.to_string()))
    }

    fn take_rows<'py>(&self, py: Python<'py>, timeout_ms: u64, most: usize) -> PyResult<Vec<Bound<'py, PyTuple>>> {
        let Some(server) = self.server() else { return Ok(Vec::new()) };
        let rows = py.detach(|| server.take_rows(Duration::from_millis(timeout_ms), most));
        row_tuples(py, rows)
    }

    fn stats(&self) -> String {
        self.server().and_then(|server| serde_json::to_string(&server.stats()).ok()).unwrap_or_else(|| "{}".into())
    }

    fn stop(&self, py: Python<'_>) {
        if let Some(server) = self.server() {
            py.detach(|| server.stop());
        }
    }
}

/// The system's words without the "(os error 98)" that Rust adds.
fn cause_text(error: &std::io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or(&text).to_owned()
}
