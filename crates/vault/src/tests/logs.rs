//! Pieces of log: few, never written over, and checked as a backup's objects are.

use domain::LogSegment;
use domain::log_archive::log_folder;
use domain::manifest::ObjectRecord;
use proptest::prelude::*;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::Local;
use crate::{PIECE_BYTES_MAX, Vault, VaultError, piece_key, pieces_to_replace};

const FOLDER: &str = "d/logs/line.origin";

fn record(original_size_bytes: u64) -> ObjectRecord {
    ObjectRecord { key: String::new(), size_bytes: 1, sha256: String::new(), original_size_bytes }
}

fn segment(objects: Vec<ObjectRecord>) -> LogSegment {
    LogSegment {
        incarnation: "line.origin".into(),
        name: "bin.000001".into(),
        start: 0,
        end: objects.iter().map(|object| object.original_size_bytes).sum(),
        closed: false,
        first_commit_at: None,
        last_commit_at: None,
        gap_before: None,
        objects,
    }
}

async fn read(vault: &Vault, segment: &LogSegment) -> Result<Vec<u8>, VaultError> {
    let mut bytes = Vec::new();
    vault.copy_log_into(FOLDER, segment, &mut bytes, &CancellationToken::new()).await.map(|()| bytes)
}

proptest! {
    /// However a segment grows, its pieces stay few, and no byte is written often.
    #[test]
    fn a_segment_that_grew_often_has_few_pieces(growths in proptest::collection::vec(1_u64..5000, 1..400)) {
        let (mut pieces, mut written) = (Vec::new(), 0);
        for grown in &growths {
            let replaced = pieces_to_replace(&pieces, *grown, false);
            let taken: u64 = pieces.split_off(pieces.len() - replaced).iter().map(|piece: &ObjectRecord| piece.original_size_bytes).sum();
            pieces.push(record(taken + grown));
            written += taken + grown;
            prop_assert!(pieces.windows(2).all(|pair| pair[0].original_size_bytes > pair[1].original_size_bytes));
        }
        let total: u64 = growths.iter().sum();
        let doublings = u64::from(total.ilog2()) + 1;
        prop_assert!(pieces.len() as u64 <= doublings, "{} pieces of {total} bytes", pieces.len());
        prop_assert!(written <= total * (doublings + 1), "{written} written for {total}");
        prop_assert_eq!(pieces_to_replace(&pieces, 0, true), pieces.len());
    }
}

#[test]
fn pieces_are_bounded() {
    let large = [record(PIECE_BYTES_MAX - 10), record(20)];
    assert_eq!(pieces_to_replace(&large, 30, false), 1);
    assert_eq!(pieces_to_replace(&large, 5, true), 1);
    assert_eq!(piece_key("bin.000001", 0, 20, false), "bin.000001.000000000000-000000000020.zst");
    assert_eq!(piece_key("bin.000001", 0, 20, true), "bin.000001.zst");
}

#[tokio::test]
async fn pieces_in_order_are_the_segment() {
    let local = Local::new();
    for vault in [Vault::in_memory(), local.vault.clone()] {
        let mut objects = Vec::new();
        for (key, bytes) in [("a.1.zst", &b"first, "[..]), ("a.2.zst", b"second")] {
            objects.push(vault.store_log_piece(FOLDER, key, bytes.to_vec(), 3).await.unwrap());
        }
        let mut whole = LogSegment { closed: true, ..segment(objects) };
        assert_eq!(read(&vault, &whole).await.unwrap(), b"first, second");
        assert_eq!(vault.check_log(FOLDER, &whole).await.unwrap(), []);
        vault.write_log_manifest(FOLDER, &whole).await.unwrap();
        assert_eq!(
            vault.log_keys(FOLDER).await.unwrap().into_iter().collect::<Vec<_>>(),
            ["a.1.zst", "a.2.zst", "bin.000001.json"]
        );

        vault.delete_log_keys(FOLDER, vec!["a.2.zst".into()]).await.unwrap();
        assert_eq!(vault.check_log(FOLDER, &whole).await.unwrap().len(), 1);
        assert!(matches!(read(&vault, &whole).await, Err(VaultError::Object(_))));
        whole.objects.pop();
        assert_eq!(read(&vault, &whole).await.unwrap(), b"first, ");
        assert!(vault.delete_log(FOLDER, &whole).await.unwrap().failed.is_empty());
        assert!(vault.log_keys(FOLDER).await.unwrap().is_empty());
    }
}

#[tokio::test]
async fn f24_segments_are_found_again_as_they_were_last() {
    let vault = Vault::in_memory();
    let datastore = Uuid::from_u128(7);
    let folder = log_folder(datastore, "line.origin");
    let piece = async |key: &str| vault.store_log_piece(&folder, key, b"piece".to_vec(), 3).await.unwrap();
    let named = |name: &str, objects| LogSegment { name: name.into(), ..segment(objects) };
    let closed = LogSegment { closed: true, ..named("bin.000001", vec![piece("bin.000001.zst").await]) };
    let earlier = named("bin.000002", vec![piece("bin.000002.1.zst").await]);
    let mut later = earlier.clone();
    later.objects.push(piece("bin.000002.2.zst").await);
    let gone = ObjectRecord { key: "gone".into(), ..later.objects[1].clone() };
    let mut unfinished = later.clone();
    unfinished.objects.push(gone.clone());
    let lost = named("bin.000003", vec![gone]);
    for known in [&named("bin.000001", closed.objects.clone()), &closed, &earlier, &later, &unfinished, &lost] {
        vault.write_log_manifest(&folder, known).await.unwrap();
    }
    let forged = LogSegment { incarnation: "other.origin".into(), ..closed.clone() };
    vault.write_log_manifest(&log_folder(datastore, "forged.origin"), &forged).await.unwrap();
    let (found, problems) = vault.list_log_segments(datastore).await.unwrap();
    assert_eq!(found, [closed, later]);
    let problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
    assert!(problems.iter().any(|problem| problem.contains("bin.000003")), "{problems:?}");
    assert!(problems.iter().any(|problem| problem.contains("another segment")), "{problems:?}");
    assert_eq!(problems.len(), 2);
    assert_eq!(vault.list_log_segments(Uuid::nil()).await.unwrap().0, []);
}

#[tokio::test]
async fn f53_the_same_name_with_other_content_is_refused() {
    let vault = Vault::in_memory();
    let store = |bytes: &[u8], level| vault.store_log_piece(FOLDER, "a.zst", bytes.to_vec(), level);
    let first = store(b"what was archived", 3).await.unwrap();
    assert_eq!(store(b"what was archived", 3).await.unwrap(), first, "again");
    assert_eq!(store(b"what was archived", 19).await.unwrap(), first, "at another level");
    let refused = store(b"what a rebuilt server says", 3).await;
    assert!(matches!(&refused, Err(VaultError::LogConflict { key }) if key.ends_with("a.zst")), "{refused:?}");
    assert_eq!(read(&vault, &segment(vec![first])).await.unwrap(), b"what was archived");
}

#[tokio::test]
async fn f83_a_key_that_leads_elsewhere_is_refused() {
    let vault = Vault::in_memory();
    let refused = vault.store_log_piece(FOLDER, "../a.zst", Vec::new(), 3).await;
    assert!(matches!(refused, Err(VaultError::InvalidName { .. })), "{refused:?}");
}
