use super::*;
use crate::snapshot::Kind;
use crate::snapshot::tests::{ids, trained};
use arrow_array::{RecordBatch, UInt32Array};
use arrow_ipc::writer::FileWriter;
use arrow_schema::{DataType, Field, Schema};
use std::sync::Arc;

fn model(n: usize) -> Snapshot {
    Snapshot::new(trained(n)).unwrap()
}

/// The next version of `model(n)`: one item solved anew, two more items, decayed popularity of one.
fn next(n: usize) -> Snapshot {
    let mut parts = trained(n);
    (parts.version, parts.parent, parts.kind) = (8, Some(7), Kind::Delta);
    parts.item_ids.push(b"NEW1".to_vec());
    parts.item_ids.push(vec![0, 255, 1]);
    let mut factors = Array2::zeros((n + 2, 6));
    factors.slice_mut(ndarray::s![..n, ..]).assign(&parts.side.factors());
    factors.row_mut(4).fill(0.25);
    factors.row_mut(n).fill(-0.5);
    factors[(5, 0)] = if factors[(5, 0)] == 0.0 { 1.0 } else { factors[(5, 0)] };
    parts.side = ItemSide::new(factors, *parts.side.params()).unwrap();
    parts.neighbours =
        parts.neighbours.with_rows(n + 2, &[(2, vec![(n as u32, 0.5)]), (n as u32, vec![(2, 0.5)])]).unwrap();
    let (mut score, mut trending) = (parts.popularity.score().to_vec(), parts.popularity.trending().to_vec());
    score[1] *= 0.5;
    score.extend([1.0, 0.0]);
    trending.extend([0.1, 0.0]);
    parts.popularity = Popularity::from_scores(score, trending).unwrap();
    parts.meta.now_ms += 5;
    Snapshot::new(parts).unwrap()
}

#[test]
fn a_full_file_rebuilds_the_model() {
    // The last is more than one batch of rows.
    for n in [0, 1, 30, 2_100] {
        let model = model(n);
        let bytes = encode(&model).unwrap();
        let read = decode_full(&bytes).unwrap();
        assert_eq!(read, model);
        assert_eq!(encode(&read).unwrap(), bytes);
    }
}

#[test]
fn a_delta_has_only_what_changed_and_rebuilds_the_model() {
    let (parent, child) = (model(30), next(30));
    let bytes = encode_delta(&parent, &child).unwrap();
    let mut changed = Vec::new();
    let put = |row: rows::OwnedRow| {
        changed.push(row.item);
        Ok(())
    };
    rows::read(&bytes).unwrap().1.each(put).unwrap();
    assert_eq!(changed, [1, 2, 4, 30, 31]);
    let rebuilt = apply_delta(&parent, &bytes).unwrap();
    assert_eq!(rebuilt, child);
    assert_eq!(encode(&rebuilt).unwrap(), encode(&child).unwrap());
    assert_eq!(rebuilt.index_of(b"NEW1"), Some(30));
    // A chain written out whole is the same model.
    assert_eq!(decode_full(&encode(&rebuilt).unwrap()).unwrap(), child);
}

#[test]
fn parts_come_and_go_in_a_delta() {
    let mut parts = trained(12);
    (parts.version, parts.parent) = (8, Some(7));
    parts.side = ItemSide::new(Array2::zeros((0, 6)), *parts.side.params()).unwrap();
    parts.neighbours = Neighbours::empty();
    parts.popularity = Popularity::empty();
    let bare = Snapshot::new(parts).unwrap();
    assert_eq!(decode_full(&encode(&bare).unwrap()).unwrap(), bare);
    let full = model(12);
    assert_eq!(apply_delta(&full, &encode_delta(&full, &bare).unwrap()).unwrap(), bare);
    let mut parts = trained(12);
    (parts.version, parts.parent) = (9, Some(8));
    let again = Snapshot::new(parts).unwrap();
    assert_eq!(apply_delta(&bare, &encode_delta(&bare, &again).unwrap()).unwrap(), again);
}

#[test]
fn a_delta_goes_only_onto_its_parent() {
    let (parent, child) = (model(30), next(30));
    let delta = encode_delta(&parent, &child).unwrap();
    let error = apply_delta(&child, &delta).unwrap_err();
    assert_eq!(error, SnapshotError::WrongParent { found: 7, expected: 8 });
    let error = encode_delta(&child, &child).unwrap_err();
    assert_eq!(error, SnapshotError::WrongParent { found: 7, expected: 8 });
    assert!(matches!(encode_delta(&parent, &parent), Err(SnapshotError::NotADelta { .. })));
    let error = decode_full(&delta).unwrap_err();
    assert_eq!(error.to_string(), "the model file is a delta, expected a full model");
    assert!(matches!(apply_delta(&parent, &encode(&child).unwrap()), Err(SnapshotError::WrongKind { .. })));
    let mut renumbered = next(30).into_parts();
    renumbered.item_ids.swap(0, 1);
    let renumbered = Snapshot::new(renumbered).unwrap();
    assert!(matches!(encode_delta(&parent, &renumbered), Err(SnapshotError::NotADelta { .. })));
}

#[test]
fn a_damaged_file_is_an_error_and_never_a_panic() {
    let parent = model(30);
    let full = encode(&parent).unwrap();
    let delta = encode_delta(&parent, &next(30)).unwrap();
    let check = |bytes: &[u8], what: String| {
        for error in [decode_full(bytes).unwrap_err(), apply_delta(&parent, bytes).unwrap_err()] {
            assert!(
                matches!(error, SnapshotError::Corrupt { .. } | SnapshotError::Foreign { .. }),
                "{what}: {error}"
            );
        }
    };
    for file in [&full, &delta] {
        for at in (0..file.len()).step_by(97).chain(0..64).chain(file.len() - 64..file.len()) {
            for mask in [1u8, 0x80, 0xff] {
                let mut bytes = file.clone();
                bytes[at] ^= mask;
                check(&bytes, format!("byte {at} ^ {mask:#x}"));
            }
        }
        for len in (0..file.len()).step_by(53) {
            check(&file[..len], format!("cut to {len}"));
            let mut holed = file.clone();
            holed.drain(len..(len + 8).min(file.len()));
            check(&holed, format!("without 8 bytes at {len}"));
        }
        check(&[file.as_slice(), b"x"].concat(), "one byte more".into());
    }
}

#[test]
fn random_bytes_and_other_arrow_files_are_foreign() {
    let mut state = 1u64;
    for len in 0..300 {
        let mut noise: Vec<u8> = Vec::new();
        for _ in 0..len {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            noise.push((state >> 56) as u8);
        }
        assert!(matches!(decode_full(&noise), Err(SnapshotError::Foreign { .. })));
        let framed = [b"ARROW1\0\0\xff\xff\xff\xff".as_slice(), &noise, b"ARROW1"].concat();
        assert!(decode_full(&framed).is_err());
    }
    let schema = Arc::new(Schema::new(vec![Field::new("item", DataType::UInt32, false)]));
    let batch = RecordBatch::try_new(schema.clone(), vec![Arc::new(UInt32Array::from(vec![1, 2]))]).unwrap();
    let mut writer = FileWriter::try_new(Vec::new(), &schema).unwrap();
    writer.write(&batch).unwrap();
    writer.finish().unwrap();
    let error = decode_full(&writer.into_inner().unwrap()).unwrap_err();
    assert_eq!(error.to_string(), "not a model file: it is an Arrow file of something else");
}

#[test]
fn a_file_of_a_newer_program_says_so() {
    let mut bytes = encode(&model(5)).unwrap();
    // In the metadata, the format is the one-digit string after its key.
    let mut changed = 0;
    let flat_string = [1u8, 0, 0, 0, b'1', 0];
    for at in 0..bytes.len() - flat_string.len() {
        if bytes[at..].starts_with(&flat_string) {
            bytes[at + 4] = b'2';
            changed += 1;
        }
    }
    assert_eq!(changed, 2);
    let message = decode_full(&bytes).unwrap_err().to_string();
    assert!(message.contains("checksum"), "{message}");
    reseal(&mut bytes);
    let error = decode_full(&bytes).unwrap_err();
    assert_eq!(error, SnapshotError::NewerFormat { found: 2, known: 1 });
}

fn reseal(bytes: &mut [u8]) {
    let marker = b"xxh3-128:";
    for at in 0..bytes.len() - marker.len() {
        if bytes[at..].starts_with(marker) {
            bytes[at + marker.len()..at + marker.len() + 32].fill(b'0');
        }
    }
    seal::seal(bytes).unwrap();
}

#[test]
fn ids_that_look_like_the_seal_are_kept() {
    let mut parts = trained(3);
    parts.item_ids = ids(3);
    parts.item_ids[1] = seal::placeholder().into_bytes();
    parts.meta.config_hash = seal::placeholder();
    let odd = Snapshot::new(parts).unwrap();
    assert_eq!(decode_full(&encode(&odd).unwrap()).unwrap(), odd);
}

#[test]
fn segments_are_in_a_full_file_and_in_the_delta_that_changes_them() {
    use crate::segments::{ServedSegment, ServedSegments};
    let segments = |run, name: &str, item| {
        let terms = vec![("csports".to_owned(), 600_000)];
        let popular = vec![(item, 1_000_000), (2, 5)];
        Arc::new(ServedSegments {
            run,
            segments: vec![ServedSegment { id: 4, name: name.to_owned(), terms, popular }],
        })
    };
    let with = |mut parts: SnapshotParts, segments: &Arc<ServedSegments>| {
        parts.segments = segments.clone();
        Snapshot::new(parts).unwrap()
    };
    let (plain, first, second) =
        (Arc::default(), segments(1, "sports", 3), segments(2, "sports, hiking", 31));
    for (before, after) in [(&plain, &first), (&first, &second), (&second, &plain), (&first, &first)] {
        let parent = with(trained(32), before);
        assert_eq!(decode_full(&encode(&parent).unwrap()).unwrap(), parent);
        let mut parts = trained(32);
        (parts.version, parts.parent, parts.kind) = (8, Some(7), Kind::Delta);
        let child = with(parts, after);
        let bytes = encode_delta(&parent, &child).unwrap();
        assert_eq!(apply_delta(&parent, &bytes).unwrap(), child);
        assert_eq!(bytes.windows(6).any(|w| w == b"sports"), before != after && after.run != 0);
    }
    let mut parts = trained(10);
    parts.segments = second;
    let error = Snapshot::new(parts).unwrap_err();
    assert_eq!(error.to_string(), "segment 4 names item 31, expected below 10");
}
