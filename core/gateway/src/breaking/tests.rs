use super::*;
use synod_store::KeptList;

const RULE: BreakerRule = BreakerRule { maximum_share: 0.1, window: 600_000_000, minimum: 20 };

fn directory(folder: &tempfile::TempDir) -> DataDirectory {
    DataDirectory::open(folder.path()).unwrap()
}

fn blocks(breakers: &Breakers, tenant: Option<&str>, count: usize) -> usize {
    let passages = breakers.pass(tenant, CONSENSUS, vec![Outcome::Block; count].into_iter());
    passages.into_iter().filter(|passage| *passage == Passage::Degraded).count()
}

fn list(folder: &tempfile::TempDir) -> KeptList<BreakerEntry> {
    KeptList::of(&directory(folder))
}

#[test]
fn rows_count_one_by_one_and_a_tenant_by_itself() {
    let folder = tempfile::tempdir().unwrap();
    let breakers = Breakers::open(RULE, &directory(&folder)).unwrap();
    assert_eq!(blocks(&breakers, Some("north"), 50), 31, "the twentieth row opens it, in the middle of a batch");
    assert_eq!((blocks(&breakers, Some("south"), 19), blocks(&breakers, None, 19)), (0, 0));
    assert_eq!((blocks(&breakers, Some("north"), 1), blocks(&breakers, Some("south"), 1)), (1, 1));
    let facts = breakers.facts();
    assert_eq!((facts.open, facts.openings, facts.degraded, facts.block_share), (2, 2, 33, 1.0));
    let told: Vec<_> = breakers.list(None).into_iter().map(|view| (view.tenant, view.open)).collect();
    assert_eq!((told.len(), told[2].clone()), (3, (None, false)), "the open ones come first");
    assert_eq!(breakers.list(Some("south")).len(), 1);
}

#[test]
fn what_is_open_is_in_the_file_before_anybody_hears_of_it_and_stays_open_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let breakers = Breakers::open(RULE, &directory(&folder)).unwrap();
    assert_eq!(blocks(&breakers, Some("north"), 20), 1);
    let kept = list(&folder).read().unwrap();
    assert_eq!((kept.len(), kept[0].outcomes, kept[0].blocks, kept[0].recorded), (1, 20, 20, false));
    drop(breakers);
    let breakers = Breakers::open(RULE, &directory(&folder)).unwrap();
    assert_eq!((blocks(&breakers, Some("north"), 3), blocks(&breakers, None, 3)), (3, 0));
    let records = breakers.unrecorded();
    assert_eq!((records.len(), records[0].tenant(), records[0].target()), (1, Some("north"), Some(kept[0].id.as_str())));
    breakers.recorded(&records[0]);
    assert!(breakers.unrecorded().is_empty() && list(&folder).read().unwrap()[0].recorded);
    let again = Breakers::open(RULE, &directory(&folder)).unwrap();
    assert!(again.unrecorded().is_empty() && again.facts().open == 1 && again.facts().openings == 0);
}

#[test]
fn a_reset_closes_for_good_and_only_for_whose_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let breakers = Breakers::open(RULE, &directory(&folder)).unwrap();
    blocks(&breakers, Some("north"), 20);
    let id = breakers.list(None)[0].id.clone();
    assert!(matches!(breakers.reset(&id, Some("south")), Err(ResetError::NoBreaker)));
    assert!(matches!(breakers.reset("nothing", None), Err(ResetError::NoBreaker)));
    let (was_open, view) = breakers.reset(&id, Some("north")).unwrap();
    assert!(was_open && !view.open && view.outcomes == 0);
    assert!(!breakers.reset(&id, None).unwrap().0, "one that is closed stays so");
    assert_eq!(breakers.take_acts().len(), 1, "the log had no record of the opening yet");
    assert_eq!((list(&folder).read().unwrap().len(), blocks(&breakers, Some("north"), 19)), (0, 0));
}

#[test]
fn what_a_command_does_to_the_file_is_followed_and_an_accident_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let breakers = Breakers::open(RULE, &directory(&folder)).unwrap();
    blocks(&breakers, Some("north"), 20);
    blocks(&breakers, None, 20);
    breakers.unrecorded().iter().for_each(|record| breakers.recorded(record));
    breakers.look();
    assert_eq!(breakers.facts().open, 2);
    std::fs::remove_file(list(&folder).path()).unwrap();
    breakers.look();
    breakers.look();
    assert_eq!((breakers.facts().open, list(&folder).read().unwrap().len()), (2, 2), "the file is written again");
    list(&folder)
        .change(|entries| {
            entries.retain(|entry| entry.tenant.is_none());
            Ok::<_, std::convert::Infallible>(())
        })
        .unwrap()
        .unwrap();
    breakers.look();
    let acts = breakers.take_acts();
    assert_eq!((breakers.facts().open, acts.len(), acts[0].tenant(), acts[0].reason()), (1, 1, Some("north"), Some(COMMAND_LINE)));
    std::fs::write(list(&folder).path(), "no list").unwrap();
    breakers.look();
    assert_eq!(breakers.facts().open, 1, "a damaged file changes nothing");
    assert!(Breakers::open(RULE, &directory(&folder)).is_err(), "nor is it taken for an empty one");
}

#[test]
fn without_a_disk_it_opens_all_the_same_and_is_kept_later() {
    let folder = tempfile::tempdir().unwrap();
    let breakers = Breakers::open(RULE, &directory(&folder)).unwrap();
    // A folder in the place of the file: it cannot be replaced.
    let path = list(&folder).path().to_owned();
    std::fs::create_dir(&path).unwrap();
    assert_eq!(blocks(&breakers, None, 20), 1);
    breakers.look();
    let id = breakers.list(None)[0].id.clone();
    assert!(matches!(breakers.reset(&id, None), Err(ResetError::Keep(_))) && breakers.facts().open == 1);
    std::fs::remove_dir(&path).unwrap();
    breakers.look();
    assert_eq!((breakers.facts().open, list(&folder).read().unwrap().len()), (1, 1));
}
