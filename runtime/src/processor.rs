//! What machine code needs of a processor: the features that the compiler uses where they are.

/// The features by which machine code differs, each with its flag of the compiler, and whether this processor has it.
#[cfg(target_arch = "x86_64")]
fn features() -> impl Iterator<Item = (&'static str, &'static str, bool)> {
    macro_rules! features {
        ($($name:tt $flag:literal)*) => {
            [$(($name, $flag, std::arch::is_x86_feature_detected!($name))),*]
        };
    }
    features!(
        "sse3" "has_sse3"
        "ssse3" "has_ssse3"
        "sse4.1" "has_sse41"
        "sse4.2" "has_sse42"
        "popcnt" "has_popcnt"
        "avx" "has_avx"
        "avx2" "has_avx2"
        "fma" "has_fma"
        "bmi1" "has_bmi1"
        "bmi2" "has_bmi2"
        "lzcnt" "has_lzcnt"
        "cmpxchg16b" "has_cmpxchg16b"
        "avx512f" "has_avx512f"
        "avx512dq" "has_avx512dq"
        "avx512vl" "has_avx512vl"
        "avx512bitalg" "has_avx512bitalg"
        "avx512vbmi" "has_avx512vbmi"
    )
    .into_iter()
}

#[cfg(not(target_arch = "x86_64"))]
fn features() -> impl Iterator<Item = (&'static str, &'static str, bool)> {
    std::iter::empty()
}

/// Whether a feature is one of x86-64-v3, which processors have since about 2013. Newer ones change little: the interpreter
/// computes with few vectors.
fn is_common(feature: &str) -> bool {
    !feature.starts_with("avx512")
}

/// Names what this processor has.
pub(crate) fn own() -> String {
    named(features().filter(|(_, _, is_here)| *is_here).map(|(name, ..)| name))
}

fn named<'a>(features: impl Iterator<Item = &'a str>) -> String {
    format!("{} {}", std::env::consts::ARCH, features.collect::<Vec<_>>().join(" "))
}

/// The processors that shipped machine code is for.
pub(crate) struct Common {
    /// Their architecture and system, as the compiler names them.
    pub(crate) target: &'static str,
}

/// Returns the processors that shipped machine code is for; none where there is none of this architecture.
pub(crate) fn common() -> Option<Common> {
    cfg!(all(target_arch = "x86_64", target_os = "linux")).then_some(Common { target: "x86_64-unknown-linux-gnu" })
}

impl Common {
    /// Names what these processors have.
    pub(crate) fn name(&self) -> String {
        named(features().map(|(name, ..)| name).filter(|name| is_common(name)))
    }

    /// The flags by which the compiler may use it.
    pub(crate) fn flags(&self) -> impl Iterator<Item = &'static str> {
        features().filter(|(name, ..)| is_common(name)).map(|(_, flag, _)| flag)
    }

    /// Whether this processor is one of them.
    pub(crate) fn is_here(&self) -> bool {
        features().filter(|(name, ..)| is_common(name)).all(|(.., is_here)| is_here)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shipped_machine_code_is_for_processors_with_the_features_of_v3() {
        let common = common().expect("x86-64 Linux");
        let v3 = "x86_64 sse3 ssse3 sse4.1 sse4.2 popcnt avx avx2 fma bmi1 bmi2 lzcnt cmpxchg16b";
        assert_eq!(common.name(), v3);
        assert_eq!(common.flags().count(), 12);
        assert_eq!(common.is_here(), own().starts_with(v3));
    }
}
