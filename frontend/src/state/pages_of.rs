//! Lists longer than one page: the first pages of a list, read by cursor, as many as the person asked for.

use std::future::Future;

use client::ClientError;
use domain::Page;

/// The first pages of a list as one.
#[derive(Debug, Clone, PartialEq)]
pub struct Listed<T> {
    pub items: Vec<T>,
    /// How many there are in all.
    pub total: i64,
    /// Whether there are more than these.
    pub more: bool,
}

/// Reads the first `pages` pages; `read` is given the cursor of each.
pub async fn pages_of<T, F, Answer>(pages: u32, read: F) -> Result<Listed<T>, ClientError>
where
    F: Fn(Option<String>) -> Answer,
    Answer: Future<Output = Result<Page<T>, ClientError>>,
{
    let mut listed = Listed { items: Vec::new(), total: 0, more: false };
    let mut cursor = None;
    for _ in 0..pages {
        let page = read(cursor).await?;
        listed.items.extend(page.items);
        listed.total = page.total;
        listed.more = page.next_cursor.is_some();
        cursor = page.next_cursor;
        if cursor.is_none() {
            break;
        }
    }
    Ok(listed)
}
