//! Pages of a listing.

use crate::NamespacesError;

/// Rows a page: 50 unless asked otherwise, 200 at most.
pub(crate) fn size(limit: u32) -> usize {
    match limit {
        0 => 50,
        n => n.min(200) as usize,
    }
}

/// Where a page of namespaces starts: behind this creation time and id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct After {
    pub(crate) created_at: time::OffsetDateTime,
    pub(crate) id: uuid::Uuid,
}

impl After {
    /// Before everything.
    pub(crate) const START: Self = Self {
        created_at: time::OffsetDateTime::UNIX_EPOCH,
        id: uuid::Uuid::nil(),
    };

    pub(crate) fn parse(cursor: &str) -> Result<Self, NamespacesError> {
        let malformed = || NamespacesError::Malformed("cursor");
        if cursor.is_empty() {
            return Ok(Self::START);
        }
        let (micros, id) = cursor.split_once('.').ok_or_else(malformed)?;
        let nanos = micros.parse::<i64>().map_err(|_| malformed())?;
        let created_at =
            time::OffsetDateTime::from_unix_timestamp_nanos(i128::from(nanos) * 1_000).map_err(|_| malformed())?;
        Ok(Self {
            created_at,
            id: id.parse().map_err(|_| malformed())?,
        })
    }

    pub(crate) fn cursor(self) -> String {
        format!("{}.{}", self.created_at.unix_timestamp_nanos() / 1_000, self.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_reads_back() {
        let after = After {
            created_at: time::OffsetDateTime::from_unix_timestamp_nanos(1_767_225_600_123_456_000).expect("in range"),
            id: uuid::Uuid::from_u128(7),
        };
        assert_eq!(After::parse(&after.cursor()).expect("own"), after);
        assert_eq!(After::parse("").expect("start"), After::START);
        for bad in ["x", "1.x", ".", "99999999999999999999.0"] {
            assert!(After::parse(bad).is_err(), "{bad}");
        }
    }
}
