//! Figures for Python: added up, read out of what the store tells, asked for their percentiles.

use std::collections::HashMap;
use std::hash::Hash;

use pyo3::exceptions::{PyIndexError, PyValueError};
use pyo3::prelude::*;
use pyo3::pybacked::{PyBackedBytes, PyBackedStr};
use pyo3::types::PyBytes;
use rover_ingest::metrics::{self, packed, read_told, Entry, NotFigures, NAMES};

/// Sums and durations.
#[pyclass(frozen)]
#[derive(Default)]
pub struct Figures(metrics::Figures);

#[pymethods]
impl Figures {
    #[new]
    fn new() -> Figures {
        Figures::default()
    }

    fn __add__(&self, other: &Bound<'_, Figures>) -> Figures {
        let mut sum = self.0.clone();
        sum.merge(&other.get().0);
        Figures(sum)
    }

    fn column(&self, number: usize) -> PyResult<u64> {
        self.0.columns().get(number).copied().ok_or_else(|| PyIndexError::new_err("no such column"))
    }

    fn columns(&self, numbers: Vec<usize>) -> PyResult<Vec<u64>> {
        numbers.into_iter().map(|number| self.column(number)).collect()
    }

    fn buckets(&self) -> HashMap<u16, u64> {
        self.0.durations.buckets().iter().copied().collect()
    }

    fn ranked(&self, shares: Vec<f64>) -> Vec<Option<u16>> {
        shares.into_iter().map(|share| self.0.durations.at_share(share)).collect()
    }
}

/// Figures of each entity that these texts tell of.
#[pyfunction]
pub fn told_by_entity(py: Python<'_>, texts: Vec<PyBackedStr>, only: Option<u64>) -> PyResult<HashMap<u64, Figures>> {
    summed(py, &texts, only, |_, entity| entity)
}

/// Figures of each step of so many seconds, by how many steps it is from 1970.
#[pyfunction]
pub fn told_by_step(
    py: Python<'_>,
    texts: Vec<PyBackedStr>,
    only: Option<u64>,
    step_s: i64,
) -> PyResult<HashMap<i64, Figures>> {
    let step_s = at_least_one(step_s)?;
    summed(py, &texts, only, |start_s, _| start_s.div_euclid(step_s))
}

/// One sum of each entity and step.
#[pyfunction]
pub fn told_column(
    py: Python<'_>,
    texts: Vec<PyBackedStr>,
    step_s: i64,
    column: usize,
) -> PyResult<HashMap<(u64, i64), u64>> {
    let step_s = at_least_one(step_s)?;
    let found = py.detach(|| {
        let mut sums: HashMap<(u64, i64), u64> = HashMap::new();
        for text in &texts {
            read_told(text.as_bytes(), None, |start_s, entity, bytes| {
                let sum = sums.entry((entity, start_s.div_euclid(step_s))).or_default();
                *sum = sum.saturating_add(metrics::Figures::column_of(bytes, column)?);
                Ok(())
            })?;
        }
        Ok(sums)
    });
    found.map_err(not_figures)
}

fn summed<K: Eq + Hash + Send>(
    py: Python<'_>,
    texts: &[PyBackedStr],
    only: Option<u64>,
    key: impl Fn(i64, u64) -> K + Send + Sync,
) -> PyResult<HashMap<K, Figures>> {
    let found = py.detach(|| {
        let mut sums: HashMap<K, Figures> = HashMap::new();
        for text in texts {
            read_told(text.as_bytes(), only, |start_s, entity, bytes| {
                sums.entry(key(start_s, entity)).or_default().0.merge_encoded(bytes)
            })?;
        }
        Ok(sums)
    });
    found.map_err(not_figures)
}

fn at_least_one(step_s: i64) -> PyResult<i64> {
    if step_s < 1 {
        return Err(PyValueError::new_err("a step has a length"));
    }
    Ok(step_s)
}

/// All shares of a place added to what is stored there.
#[pyfunction]
pub fn add_figures<'py>(
    py: Python<'py>,
    stored: Vec<Option<PyBackedBytes>>,
    shares: Vec<Vec<PyBackedBytes>>,
) -> PyResult<Vec<Bound<'py, PyBytes>>> {
    let added = py.detach(|| {
        let pairs = stored.iter().zip(&shares);
        let sums = pairs.map(|(stored, shares)| {
            let mut sum = metrics::Figures::default();
            stored.iter().chain(shares).try_for_each(|bytes| sum.merge_encoded(bytes))?;
            Ok(sum.encode())
        });
        sums.collect::<Result<Vec<_>, NotFigures>>()
    });
    Ok(added.map_err(not_figures)?.iter().map(|sum| PyBytes::new(py, sum)).collect())
}

/// What these texts tell added to the pack of its place.
#[pyfunction]
pub fn pack_figures<'py>(
    py: Python<'py>,
    stored: Vec<Option<PyBackedBytes>>,
    told: Vec<Vec<PyBackedStr>>,
) -> PyResult<Vec<Bound<'py, PyBytes>>> {
    let added = py.detach(|| {
        let packs = stored.iter().zip(&told).map(|(stored, texts)| {
            let mut more: Vec<(u64, Vec<u8>)> = Vec::new();
            for text in texts {
                read_told(text.as_bytes(), None, |_, entity, bytes| {
                    more.push((entity, bytes.to_vec()));
                    Ok(())
                })?;
            }
            let more: Vec<Entry<'_>> = more.iter().map(|(entity, bytes)| (*entity, &**bytes)).collect();
            packed(stored.as_deref(), &more)
        });
        packs.collect::<Result<Vec<_>, NotFigures>>()
    });
    Ok(added.map_err(not_figures)?.iter().map(|pack| PyBytes::new(py, pack)).collect())
}

/// Names of the sums.
#[pyfunction]
pub fn figure_columns() -> Vec<&'static str> {
    NAMES.to_vec()
}

fn not_figures(_: NotFigures) -> PyErr {
    PyValueError::new_err("these bytes are no figures")
}
