//! Metrics for Python: batches of records folded, and chosen from.

use std::sync::{Mutex, MutexGuard, PoisonError};

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::pybacked::{PyBackedBytes, PyBackedStr};
use pyo3::types::{PyBytes, PyTuple};
use rover_ingest::metrics::{fold, Call, Choice, Grouping, GroupingOptions, Sampling, Seen, Window};

type Share<'py> = (i64, u8, String, String, String, String, Bound<'py, PyBytes>);

/// Folds batches of records.
#[pyclass(frozen)]
pub struct MetricFolder {
    grouping: Grouping,
    sampling: Mutex<Sampling>,
}

/// What a choice looks at of a row of the store: the others of its columns are passed by.
struct Columns {
    id: u128,
    side: PyBackedStr,
    service: Option<PyBackedStr>,
    method: Option<PyBackedStr>,
    path: String,
    duration_ns: Option<u64>,
    has_failed: bool,
}

#[derive(serde::Deserialize)]
struct MaybeGrpc {
    grpc: Option<Grpc>,
}

#[derive(serde::Deserialize)]
struct Grpc {
    status: Option<i64>,
}

#[pymethods]
impl MetricFolder {
    #[new]
    fn new(options: &str) -> PyResult<MetricFolder> {
        let options: GroupingOptions = serde_json::from_str(options)
            .map_err(|error| PyValueError::new_err(format!("metrics options: {error}")))?;
        let grouping = Grouping::new(options).map_err(PyValueError::new_err)?;
        Ok(MetricFolder { grouping, sampling: Mutex::new(Sampling::new(f64::INFINITY)) })
    }

    fn start_sampling(&self, per_second: f64, left_out: Vec<PyBackedBytes>) {
        let mut sampling = Sampling::new(per_second);
        for ids in left_out {
            ids.as_chunks::<16>().0.iter().for_each(|id| sampling.remember(u128::from_be_bytes(*id)));
        }
        *self.sampling() = sampling;
    }

    fn sample(&self, rows: Vec<Bound<'_, PyTuple>>, now_s: f64) -> Vec<u8> {
        let columns: Vec<Option<Columns>> = rows.iter().map(|row| self.columns(row).ok()).collect();
        let seen = columns.iter().flatten().map(|row| Seen {
            id: row.id,
            side: &row.side,
            service: row.service.as_deref().unwrap_or_default(),
            method: row.method.as_deref().unwrap_or_default(),
            path: &row.path,
            duration_ns: row.duration_ns,
            has_failed: row.has_failed,
        });
        let mut choices = self.sampling().choose(seen, now_s).into_iter();
        // What is no row is kept: whoever stores it counts it as such.
        let choice = |row: &Option<Columns>| row.as_ref().and_then(|_| choices.next()).unwrap_or(Choice::Ordinary);
        columns.iter().map(choice).map(|choice| choice as u8).collect()
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

impl MetricFolder {
    fn sampling(&self) -> MutexGuard<'_, Sampling> {
        self.sampling.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn columns(&self, row: &Bound<'_, PyTuple>) -> PyResult<Columns> {
        let id: PyBackedStr = row.get_item(0)?.extract()?;
        let kind: PyBackedStr = row.get_item(6)?.extract()?;
        let service: Option<PyBackedStr> = row.get_item(7)?.extract()?;
        let path: Option<PyBackedStr> = row.get_item(12)?.extract()?;
        let status: Option<i64> = row.get_item(13)?.extract()?;
        let flags: PyBackedStr = row.get_item(16)?.extract()?;
        let call = Call {
            service: service.as_deref().unwrap_or_default(),
            path: path.as_deref().unwrap_or_default(),
            is_made_of_names: &*kind == "grpc",
            is_success: false,
        };
        let is_unfinished = flags.split(',').any(|flag| flag == "unfinished");
        let mut has_failed = is_unfinished || status.is_none_or(|status| status >= 500);
        if !has_failed && &*kind == "grpc" {
            let record: PyBackedStr = row.get_item(17)?.extract()?;
            let told: Option<MaybeGrpc> = serde_json::from_str(&record).ok();
            has_failed = told.and_then(|told| told.grpc).and_then(|grpc| grpc.status).is_some_and(|status| status != 0);
        }
        Ok(Columns {
            id: u128::from_str_radix(&id, 16).map_err(|error| PyValueError::new_err(error.to_string()))?,
            side: row.get_item(4)?.extract()?,
            path: self.grouping.group(call),
            method: row.get_item(10)?.extract()?,
            duration_ns: row.get_item(2)?.extract()?,
            service,
            has_failed,
        })
    }
}
