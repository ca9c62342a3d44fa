//! Answers of the API that need no Python.

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedStr;
use pyo3::types::PyBytes;
use rover_ingest::answers;

/// Records of these numbers out of their blocks.
#[pyfunction]
pub fn stored_records<'py>(
    py: Python<'py>,
    blocks: PyBackedStr,
    numbers: Vec<u64>,
) -> Vec<Option<Bound<'py, PyBytes>>> {
    let found = py.detach(|| answers::records(blocks.as_bytes(), &numbers));
    found.into_iter().map(|record| record.map(|bytes| PyBytes::new(py, &bytes))).collect()
}

/// The map as the API answers it.
#[pyfunction]
#[allow(clippy::too_many_arguments)]
pub fn topology_json<'py>(
    py: Python<'py>,
    client: Vec<PyBackedStr>,
    server: Vec<PyBackedStr>,
    services: Vec<PyBackedStr>,
    entities: PyBackedStr,
    around: Option<PyBackedStr>,
    watched_s: f64,
    span: PyBackedStr,
) -> PyResult<Bound<'py, PyBytes>> {
    let found = py.detach(|| {
        answers::map(&answers::Map {
            client: bytes(&client),
            server: bytes(&server),
            services: bytes(&services),
            entities: &entities,
            around: around.as_deref(),
            watched_s,
            span: &span,
        })
    });
    let found = found.map_err(|_| PyValueError::new_err("these texts are no figures"))?;
    Ok(PyBytes::new(py, found.as_bytes()))
}

fn bytes(texts: &[PyBackedStr]) -> Vec<&[u8]> {
    texts.iter().map(|text| text.as_bytes()).collect()
}
