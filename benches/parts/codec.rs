//! Values to bytes and back: what a call's arguments, a small struct and a body of bytes cost to encode, to scan and to decode.

use std::hint::black_box;

use criterion::{Criterion, Throughput};
use serde::{Deserialize, Serialize};
use traitwire::codec::{ArgumentsDecoder, ArgumentsEncoder, ScanLimits, decode, encode, scan};

/// An item as small streams have them.
#[derive(Debug, Deserialize, Serialize)]
struct Item {
    id: u64,
    value: f64,
    name: String,
}

pub(crate) fn all(criterion: &mut Criterion) {
    let item = Item { id: 1 << 40, value: 0.5, name: "twelve chars".to_owned() };
    value(criterion, "item", &item);
    value(criterion, "thousand numbers", &(0_u64..1_000).map(|nth| nth * 1_000).collect::<Vec<_>>());
    value(criterion, "64 KiB", &vec![7_u8; 64 * 1024]);
    arguments(criterion);
}

/// A value that owns what it has.
fn value<T>(criterion: &mut Criterion, name: &str, value: &T)
where
    T: Serialize + for<'de> Deserialize<'de>,
{
    let mut out = Vec::new();
    encode(value, &mut out).expect("it can be encoded");
    let limits = ScanLimits::for_body(out.len());
    let mut group = criterion.benchmark_group(name);
    group.throughput(Throughput::Bytes(out.len() as u64));
    let bytes = out.clone();
    group.bench_function("encode", |bencher| {
        bencher.iter(|| {
            out.clear();
            encode(black_box(value), &mut out)
        });
    });
    group.bench_function("scan", |bencher| bencher.iter(|| scan(black_box(&bytes), &limits)));
    // With the scan, as always.
    group.bench_function("decode", |bencher| bencher.iter(|| decode::<T>(black_box(&bytes), &limits)));
    group.finish();
}

/// Two small numbers, as generated code sends and takes them.
fn arguments(criterion: &mut Criterion) {
    let write = |out: &mut Vec<u8>| {
        let arguments = ArgumentsEncoder::new(out, 2).argument(&40_i64)?.argument(&2_i64)?;
        arguments.finish();
        Ok::<_, traitwire::codec::EncodeError>(())
    };
    let mut out = Vec::new();
    write(&mut out).expect("they can be encoded");
    let bytes = out.clone();
    let limits = ScanLimits::for_body(bytes.len());
    let mut group = criterion.benchmark_group("arguments");
    group.bench_function("encode", |bencher| {
        bencher.iter(|| {
            out.clear();
            write(black_box(&mut out))
        });
    });
    group.bench_function("decode", |bencher| {
        bencher.iter(|| {
            let mut arguments = ArgumentsDecoder::new(black_box(&bytes), &limits)?;
            Ok::<(i64, i64), traitwire::codec::DecodeError>((arguments.next("a")?, arguments.next("b")?))
        });
    });
    group.finish();
}
