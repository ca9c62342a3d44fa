//! Metrics for Python: batches of records folded, figures added up.

use std::collections::HashMap;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::pybacked::{PyBackedBytes, PyBackedStr};
use pyo3::types::{PyBytes, PyDict};
use rover_ingest::metrics::{fold, Figures, Grouping, GroupingOptions, NotFigures, Window, NAMES};

type Share<'py> = (i64, u8, String, String, String, String, Bound<'py, PyBytes>);

/// Folds batches of records.
#[pyclass(frozen)]
pub struct MetricFolder {
    grouping: Grouping,
}

#[pymethods]
impl MetricFolder {
    #[new]
    fn new(options: &str) -> PyResult<MetricFolder> {
        let options: GroupingOptions = serde_json::from_str(options)
            .map_err(|error| PyValueError::new_err(format!("metrics options: {error}")))?;
        Ok(MetricFolder { grouping: Grouping::new(options).map_err(PyValueError::new_err)? })
    }

    fn news(&self) -> Option<String> {
        self.grouping.news()
    }

    fn recall(&self, news: &str) {
        self.grouping.recall(news);
    }

    fn fold<'py>(
        &self,
        py: Python<'py>,
        times_ns: Vec<i64>,
        records: Vec<PyBackedStr>,
        first_s: i64,
        end_s: i64,
    ) -> (Vec<Share<'py>>, u64, u64) {
        let told = times_ns.into_iter().zip(records.iter().map(|record| &**record));
        let folded = py.detach(|| {
            let folded = fold(&self.grouping, told, Window { first_s, end_s });
            let shares = folded.shares.into_iter().map(|share| {
                let figures = share.figures.encode();
                (share, figures)
            });
            (shares.collect::<Vec<_>>(), folded.out_of_time, folded.malformed)
        });
        let shares = folded.0.into_iter().map(|(share, figures)| {
            let bytes = PyBytes::new(py, &figures);
            (share.minute_s, share.kind as u8, share.service, share.name, share.peer, share.peer_name, bytes)
        });
        (shares.collect(), folded.1, folded.2)
    }
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
            let mut sum = Figures::default();
            stored.iter().chain(shares).try_for_each(|bytes| sum.merge_encoded(bytes))?;
            Ok(sum.encode())
        });
        sums.collect::<Result<Vec<_>, NotFigures>>()
    });
    Ok(added.map_err(not_figures)?.iter().map(|sum| PyBytes::new(py, sum)).collect())
}

/// Figures with the same key added up.
#[pyfunction]
pub fn sum_figures<'py>(py: Python<'py>, keys: Vec<i64>, figures: Vec<PyBackedBytes>) -> PyResult<Bound<'py, PyDict>> {
    let sums = py.detach(|| {
        let mut sums: HashMap<i64, Figures> = HashMap::new();
        for (key, bytes) in keys.iter().zip(&figures) {
            sums.entry(*key).or_default().merge_encoded(bytes)?;
        }
        Ok(sums)
    });
    let told = PyDict::new(py);
    for (key, sum) in sums.map_err(not_figures)? {
        let durations: HashMap<u16, u64> = sum.durations.buckets().iter().copied().collect();
        told.set_item(key, (sum.columns(), durations))?;
    }
    Ok(told)
}

/// Names of the sums.
#[pyfunction]
pub fn figure_columns() -> Vec<&'static str> {
    NAMES.to_vec()
}

fn not_figures(_: NotFigures) -> PyErr {
    PyValueError::new_err("these bytes are no figures")
}
