//! Lists, to their end.

use stripe_types::List;

use crate::PaymentsError;

/// Pages that one search may take: a hundred of a hundred. More is not a list to be read but a fault.
const MOST_PAGES: usize = 100;

/// Every element, asking page after page.
pub(super) async fn all_pages<T, F>(
    page: impl Fn(Option<String>) -> F,
    id: impl Fn(&T) -> String,
) -> Result<Vec<T>, PaymentsError>
where
    F: Future<Output = Result<List<T>, PaymentsError>>,
{
    let mut all = Vec::new();
    for _ in 0..MOST_PAGES {
        let mut next = page(all.last().map(&id)).await?;
        let more = next.has_more && !next.data.is_empty();
        all.append(&mut next.data);
        if !more {
            return Ok(all);
        }
    }
    Err(PaymentsError::Unknown {
        cause: "a list without an end".into(),
    })
}
