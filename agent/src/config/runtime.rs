//! The runtime that the node runs on.

use std::str::FromStr;

/// A runtime that the loop of the node runs on. Everything else of the agent runs on tokio.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Runtime {
    /// The one of the agent itself.
    #[default]
    Tokio,
    /// smol's global executor, on a thread of its own.
    #[cfg(feature = "smol")]
    Smol,
    /// An executor of glommio, on a thread of its own.
    #[cfg(all(feature = "glommio", target_os = "linux"))]
    Glommio,
}

impl Runtime {
    /// Those of this build, by the words for them in configuration.
    pub const ALL: &'static [(&'static str, Self)] = &[
        ("tokio", Self::Tokio),
        #[cfg(feature = "smol")]
        ("smol", Self::Smol),
        #[cfg(all(feature = "glommio", target_os = "linux"))]
        ("glommio", Self::Glommio),
    ];

    /// Why a runtime is not accepted, and which ones are.
    pub(super) fn refusal(text: &str) -> String {
        let names: Vec<&str> = Self::ALL.iter().map(|(name, _)| *name).collect();
        let accepted = match &names[..] {
            [one] => format!("accepted is {one}"),
            all => format!("accepted are {}", all.join(", ")),
        };
        match text {
            "glommio" if !cfg!(target_os = "linux") => {
                format!("'{text}' runs on Linux only ({accepted})")
            }
            "smol" | "glommio" => format!(
                "'{text}' is not in this build ({accepted}); it takes one with `--features {text}`"
            ),
            _ => format!("'{text}' ({accepted})"),
        }
    }
}

impl FromStr for Runtime {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let found = Self::ALL.iter().find(|(name, _)| *name == text);
        found.map(|(_, runtime)| *runtime).ok_or(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_runtime_is_one_of_this_build_or_the_refusal_says_which_are() {
        assert_eq!("tokio".parse(), Ok(Runtime::Tokio));
        for name in ["smol", "glommio", "async-std"] {
            let known = Runtime::ALL.iter().any(|(known, _)| *known == name);
            assert_eq!(name.parse::<Runtime>().is_ok(), known);
            let said = Runtime::refusal(name);
            assert!(said.contains(name) && said.contains("tokio"), "{said}");
        }
    }
}
