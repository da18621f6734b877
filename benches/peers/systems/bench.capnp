@0xc7f2a3d4b1e6985f;

interface Bench {
  add @0 (a :Int64, b :Int64) -> (sum :Int64);
  echo @1 (body :Data) -> (body :Data);
}
