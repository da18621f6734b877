//! Owns [`Curve`]: what was answered, second by second, and how it looks. Does not make calls.

use std::fmt;
use std::fmt::Write as _;

use super::{BEGINS, ENDS, OVER, Trouble};

/// How many seconds after the trouble goodput must be back.
const BACK: usize = 5;
/// What being back is.
const ENOUGH: f64 = 0.95;

/// What part of the calls of each second was answered.
#[derive(Clone, Debug)]
pub struct Curve {
    /// What went wrong.
    pub trouble: Trouble,
    /// How much of what the servers can do was asked of them.
    pub load: f64,
    /// Second by second, from 0 to 1.
    pub shares: Vec<f64>,
}

impl Curve {
    /// The part that was answered of what was offered in these seconds.
    pub fn share(&self, seconds: std::ops::Range<usize>) -> f64 {
        self.shares[seconds.clone()].iter().sum::<f64>() / seconds.len() as f64
    }

    /// What does not hold of it: that all goes well before, that the trouble is felt, and that it is back in time.
    pub fn wrong(&self) -> Option<String> {
        let (before, meanwhile) = (self.share(1..BEGINS), self.share(BEGINS..ENDS));
        let late = self.shares[ENDS + BACK..].iter().any(|share| *share < ENOUGH);
        let what = match () {
            () if before < 0.98 => "it goes badly before anything has gone wrong",
            () if meanwhile > 0.995 => "the trouble is not felt",
            () if late => "it is not back in time",
            () => return None,
        };
        Some(format!("{what}: {self}"))
    }
}

impl fmt::Display for Curve {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:<20} {:>3.0} %  ", self.trouble.name(), self.load * 100.0)?;
        self.shares.iter().try_for_each(|share| write!(f, " {:.0}", share * 100.0))
    }
}

/// Curves as a picture: a row for each load and trouble, the trouble in grey, 95 % as a line; what was simulated is thin.
pub fn plot(real: &[Curve], simulated: &[Curve]) -> String {
    const ROW: usize = 72;
    let (width, height) = (720, ROW * real.len() + 70);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"{width}\" height=\"{height}\" fill=\"white\"/>\n\
         <text x=\"10\" y=\"22\" font-weight=\"bold\">Answered of what was offered: real processes (blue), simulated (orange)</text>\n"
    );
    let x = |second: f64| 190.0 + second * 510.0 / OVER as f64;
    for (at, curve) in real.iter().enumerate() {
        let bottom = (at * ROW + 90) as f64;
        let y = |share: f64| bottom - share.min(1.1) * 50.0;
        let (left, wide) = (x(BEGINS as f64), x(ENDS as f64) - x(BEGINS as f64));
        // Writing into a text cannot fail.
        let _ = write!(
            out,
            "<rect x=\"{left:.1}\" y=\"{0:.1}\" width=\"{wide:.1}\" height=\"50\" fill=\"#eee\"/>\n\
             <path d=\"M{1:.1} {2:.1}H{3:.1}M{4:.1} {0:.1}v50\" stroke=\"#999\" stroke-dasharray=\"3 3\"/>\n\
             <text x=\"10\" y=\"{5:.1}\">{6}</text><text x=\"10\" y=\"{7:.1}\">at {8:.0} %</text>\n",
            y(1.0),
            x(0.0),
            y(ENOUGH),
            x(OVER as f64),
            x((ENDS + BACK) as f64),
            y(0.6),
            curve.trouble.name(),
            y(0.25),
            curve.load * 100.0,
        );
        let same = simulated.iter().find(|other| (other.trouble, other.load) == (curve.trouble, curve.load));
        for (curve, colour) in same.into_iter().map(|same| (same, "#d9480f")).chain([(curve, "#1565c0")]) {
            let points = curve.shares.iter().enumerate();
            let points =
                points.map(|(second, share)| format!("{:.1},{:.1}", x(second as f64 + 0.5), y(*share)));
            let points = points.collect::<Vec<_>>().join(" ");
            let _ = writeln!(
                out,
                "<polyline points=\"{points}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.5\"/>"
            );
        }
    }
    let (text, end) =
        ("seconds 0 to 30; grey: the trouble; dashed: 95 %, and five seconds after it", height - 12);
    let _ = writeln!(out, "<text x=\"190\" y=\"{end}\">{text}</text>\n</svg>");
    out
}
