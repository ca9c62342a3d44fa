//! Query strings as the configuration wants them.

use crate::options::Query;

/// The query as it may appear in a record.
pub fn shown(query: Option<Box<str>>, how: Query) -> Option<Box<str>> {
    match how {
        Query::Keep => query,
        Query::Drop => None,
        Query::Mask => query.map(|query| masked(&query)),
    }
}

/// Every value becomes `*`; a name without `=` has none.
fn masked(query: &str) -> Box<str> {
    let mut out = String::with_capacity(query.len());
    for (index, parameter) in query.split('&').enumerate() {
        if index > 0 {
            out.push('&');
        }
        match parameter.split_once('=') {
            Some((name, _)) => {
                out.push_str(name);
                out.push_str("=*");
            }
            None => out.push_str(parameter),
        }
    }
    out.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masking_keeps_names_and_no_value() {
        for (query, expected) in
            [("a=1&b=two", "a=*&b=*"), ("a=1=2", "a=*"), ("flag&b=1", "flag&b=*"), ("", ""), ("a=&&b", "a=*&&b")]
        {
            assert_eq!(shown(Some(query.into()), Query::Mask).as_deref(), Some(expected));
        }
        assert_eq!(shown(Some("a=1".into()), Query::Drop), None);
        assert_eq!(shown(Some("a=1".into()), Query::Keep).as_deref(), Some("a=1"));
    }
}
