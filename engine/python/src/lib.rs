//! The module `rover._engine`: the one place where Rust meets Python. `rover/_engine.pyi` documents it.
//!
//! Thin: arguments are converted, the GIL is let go, errors become exceptions.

mod answers;
mod figures;
mod ingest;
mod metrics;

use pyo3::create_exception;
use pyo3::exceptions::PyRuntimeError;

create_exception!(rover._engine, KernelUnsupported, PyRuntimeError);
create_exception!(rover._engine, ProgramRejected, PyRuntimeError);

/// Native part of rover: private, use the packages of `rover`.
#[pyo3::pymodule(name = "_engine")]
mod engine_module {
    use std::path::PathBuf;
    use std::time::Duration;

    use pyo3::exceptions::{PyOSError, PyValueError};
    use pyo3::prelude::*;
    use pyo3::types::PyTuple;
    use pyo3::IntoPyObjectExt;
    use rover_engine::addresses::Naming;
    use rover_engine::capture::CaptureError;
    use rover_engine::engine::{self, ReplayError};
    use rover_engine::options::Options;
    use rover_engine::privileges;
    use rover_engine::probe as finding;
    use rover_engine::processes::Decision;
    use rover_engine::recording::RecordingError;
    use rover_engine::tls;
    use rover_reporters::record::Identity;
    use rover_reporters::row::Row;

    #[pymodule_export]
    use super::answers::{stored_records, topology_json};
    #[pymodule_export]
    use super::figures::{
        add_figures, figure_columns, pack_figures, told_by_entity, told_by_step, told_column, Figures,
    };
    #[pymodule_export]
    use super::ingest::Ingest;
    #[pymodule_export]
    use super::metrics::MetricFolder;
    #[pymodule_export]
    use super::{KernelUnsupported, ProgramRejected};

    fn options_from(text: &str) -> PyResult<Options> {
        Options::from_json(text).map_err(|error| PyValueError::new_err(format!("engine options: {error}")))
    }

    fn capture_error(py: Python<'_>, error: &CaptureError) -> PyErr {
        match error {
            CaptureError::Unsupported { feature, needs } => {
                let raised = KernelUnsupported::new_err(error.to_string());
                let value = raised.value(py);
                // Without its attributes the exception still tells all in its text.
                if value.setattr("feature", feature).and_then(|()| value.setattr("needs", needs)).is_err() {
                    return KernelUnsupported::new_err(error.to_string());
                }
                raised
            }
            CaptureError::Rejected(_) => ProgramRejected::new_err(error.to_string()),
        }
    }

    fn seconds(value: f64) -> Duration {
        Duration::try_from_secs_f64(value).unwrap_or(Duration::from_secs(1))
    }

    fn row_tuple<'py>(py: Python<'py>, row: Row) -> PyResult<Bound<'py, PyTuple>> {
        let columns = [
            row.id.into_bound_py_any(py)?,
            row.time_ns.into_bound_py_any(py)?,
            row.duration_ns.into_bound_py_any(py)?,
            row.first_byte_ns.into_bound_py_any(py)?,
            row.side.into_bound_py_any(py)?,
            row.protocol.into_bound_py_any(py)?,
            row.kind.into_bound_py_any(py)?,
            row.service.into_bound_py_any(py)?,
            row.instance.into_bound_py_any(py)?,
            row.peer_service.into_bound_py_any(py)?,
            row.method.into_bound_py_any(py)?,
            row.host.into_bound_py_any(py)?,
            row.path.into_bound_py_any(py)?,
            row.status.into_bound_py_any(py)?,
            row.request_bytes.into_bound_py_any(py)?,
            row.response_bytes.into_bound_py_any(py)?,
            row.flags.into_bound_py_any(py)?,
            row.record.into_bound_py_any(py)?,
            row.peer_address.into_bound_py_any(py)?,
            row.same_exchange.into_bound_py_any(py)?,
        ];
        PyTuple::new(py, columns)
    }

    pub(crate) fn row_tuples(py: Python<'_>, rows: Vec<Row>) -> PyResult<Vec<Bound<'_, PyTuple>>> {
        rows.into_iter().map(|row| row_tuple(py, row)).collect()
    }

    /// Captures on this machine.
    #[pyclass]
    struct Engine {
        inner: engine::Engine,
    }

    #[pymethods]
    impl Engine {
        #[new]
        fn new(options: &str) -> PyResult<Engine> {
            Ok(Engine { inner: engine::Engine::new(options_from(options)?) })
        }

        fn start(&self, py: Python<'_>) -> PyResult<()> {
            py.detach(|| self.inner.start()).map_err(|error| capture_error(py, &error))
        }

        fn hooks(&self) -> String {
            serde_json::to_string(&self.inner.hooks()).unwrap_or_default()
        }

        fn tls(&self, py: Python<'_>) -> String {
            py.detach(|| self.inner.tls())
        }

        #[allow(clippy::type_complexity)]
        fn take_processes(
            &self,
            py: Python<'_>,
            timeout_ms: u64,
        ) -> Vec<(&'static str, u32, u32, u64, String, String, u32, Vec<String>)> {
            let changes = py.detach(|| self.inner.take_processes(Duration::from_millis(timeout_ms)));
            changes
                .into_iter()
                .map(|c| (c.change, c.pid, c.parent, c.time_ns, c.comm, c.executable, c.uid, c.arguments))
                .collect()
        }

        #[pyo3(signature = (pid, is_watched, identity, since_ns))]
        fn confirm(&self, pid: u32, is_watched: bool, identity: Option<&str>, since_ns: u64) -> PyResult<()> {
            let identity: Option<Identity> = identity
                .map(serde_json::from_str)
                .transpose()
                .map_err(|error| PyValueError::new_err(format!("identity: {error}")))?;
            self.inner.confirm(Decision { pid, is_watched, identity, since_ns });
            Ok(())
        }

        fn watch_existing(&self, pids: Vec<u32>) {
            self.inner.watch_existing(pids);
        }

        fn end_unseen(&self, pids: Vec<u32>, listed_ns: u64) {
            self.inner.end_unseen(pids, listed_ns);
        }

        /// Each `(address, port, since_ns, identity)`.
        fn name_addresses(&self, changes: Vec<(String, u16, u64, Option<String>)>) -> PyResult<()> {
            let namings = changes.into_iter().map(|(address, port, since_ns, identity)| {
                let address = address.parse().map_err(|_| PyValueError::new_err(format!("no address: {address}")))?;
                Ok(Naming { address, port, since_ns, identity: identity.map(Into::into) })
            });
            self.inner.name_addresses(namings.collect::<PyResult<_>>()?);
            Ok(())
        }

        fn govern(&self, level: u8) {
            self.inner.govern(level);
        }

        fn reconfigure(&self, options: &str) -> PyResult<()> {
            self.inner.reconfigure(options_from(options)?);
            Ok(())
        }

        fn add_output(&self, fd: i32, format: &str, options: &str) -> PyResult<()> {
            self.inner.add_output(fd, format, options).map_err(|error| PyValueError::new_err(error.to_string()))
        }

        fn add_oap(&self, options: &str) -> PyResult<()> {
            self.inner.add_oap(options).map_err(PyValueError::new_err)
        }

        fn add_otlp(&self, options: &str) -> PyResult<()> {
            self.inner.add_otlp(options).map_err(PyValueError::new_err)
        }

        fn add_traffic(&self) {
            self.inner.add_traffic();
        }

        fn traffic(&self) -> String {
            self.inner.traffic()
        }

        fn add_file(&self, options: &str) -> PyResult<()> {
            self.inner.add_file(options).map_err(PyValueError::new_err)
        }

        fn reopen_files(&self) {
            self.inner.reopen_files();
        }

        fn outputs(&self) -> String {
            self.inner.outputs()
        }

        fn add_rows(&self) {
            self.inner.add_rows();
        }

        fn take_rows<'py>(&self, py: Python<'py>, timeout_ms: u64, most: usize) -> PyResult<Vec<Bound<'py, PyTuple>>> {
            let rows = py.detach(|| self.inner.take_rows(Duration::from_millis(timeout_ms), most));
            row_tuples(py, rows)
        }

        fn ledger(&self, py: Python<'_>) -> String {
            py.detach(|| self.inner.ledger()).to_json()
        }

        fn maybe_pulse_s(&self) -> Option<f64> {
            self.inner.maybe_pulse().map(|age| age.as_secs_f64())
        }

        fn stats(&self, py: Python<'_>) -> String {
            py.detach(|| self.inner.stats())
        }

        fn record_to(&self, path: PathBuf, most_bytes: u64) -> PyResult<()> {
            self.inner.record_to(&path, most_bytes).map_err(Into::into)
        }

        fn stop(&self, py: Python<'_>, timeout_s: f64) -> String {
            py.detach(|| self.inner.stop(seconds(timeout_s))).to_json()
        }
    }

    /// The same engine over a recording.
    #[pyfunction]
    #[pyo3(signature = (path, fd, format, options, engine_options = "{}"))]
    fn replay(
        py: Python<'_>,
        path: PathBuf,
        fd: i32,
        format: &str,
        options: &str,
        engine_options: &str,
    ) -> PyResult<String> {
        let engine_options = options_from(engine_options)?;
        py.detach(|| engine::replay(&path, fd, format, options, engine_options)).map(|ledger| ledger.to_json()).map_err(
            |error| match error {
                ReplayError::Recording(RecordingError::Io(error)) => PyOSError::new_err(error.to_string()),
                ReplayError::Recording(error) => PyValueError::new_err(error.to_string()),
                ReplayError::Encoder(error) => PyValueError::new_err(error.to_string()),
                ReplayError::Version(reason) => PyValueError::new_err(reason),
            },
        )
    }

    /// Gives up what there is no use for.
    #[pyfunction]
    fn keep_needed_privileges(extra: Vec<String>) -> PyResult<()> {
        privileges::keep_only_needed(&extra).map_err(Into::into)
    }

    /// What this machine allows.
    #[pyfunction]
    fn probe(py: Python<'_>, options: &str) -> PyResult<String> {
        let options = Options::from_json(options).map_err(PyValueError::new_err)?;
        let finding = py.detach(|| finding::probe(&options));
        Ok(serde_json::to_string(&finding).unwrap_or_default())
    }

    /// TLS that nothing can read.
    #[pyfunction]
    fn unread_tls(py: Python<'_>, pids: Vec<u32>) -> String {
        let found = py.detach(|| tls::unread(&pids));
        serde_json::to_string(&found).unwrap_or_default()
    }
}
