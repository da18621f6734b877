//! Owns the cores that this process may use: all that it was given, or the first of them. Knows no workload.

use std::sync::LazyLock;

use rustix::thread::{CpuSet, Pid, sched_getaffinity, sched_setaffinity};

use crate::systems::Failure;

/// What the process was given when it began.
static GIVEN: LazyLock<Option<CpuSet>> = LazyLock::new(|| sched_getaffinity(None).ok());

/// Keeps all its threads, and those that they will start, on one core: the first, so that two processes that were given the
/// same share it.
pub(crate) fn to_one() -> Result<(), Failure> {
    let given = (*GIVEN).ok_or("the kernel does not say which cores there are")?;
    let mut one = CpuSet::new();
    let first = (0..CpuSet::MAX_CPU).find(|&core| given.is_set(core)).ok_or("there is no core")?;
    one.set(first);
    all(&one)
}

/// Gives them back what they had.
pub(crate) fn to_all() -> Result<(), Failure> {
    GIVEN.as_ref().map_or(Ok(()), all)
}

fn all(cores: &CpuSet) -> Result<(), Failure> {
    for thread in std::fs::read_dir("/proc/self/task")? {
        let number = thread?.file_name().to_string_lossy().parse()?;
        match sched_setaffinity(Pid::from_raw(number), cores) {
            // It has ended meanwhile.
            Err(rustix::io::Errno::SRCH) => {}
            other => other?,
        }
    }
    Ok(())
}
