//! Which vector instructions the CPU code uses: the best that the processor has, or another instruction set that the
//! environment variable `SHARPDIM_SIMD` names, so that all paths can be tested on one machine.
//!
//! AMX is never chosen automatically: its code has not yet run on a processor that has it. `SHARPDIM_SIMD=amx` takes it.
//!
//! NEON's dot products are never chosen automatically either, and are built only by the feature `neon`: their code has been
//! neither compiled nor run for aarch64. `SHARPDIM_SIMD=neon` takes them there. All else stays portable then.
//!
//! Every choice by instruction set goes through [`Simd::current`]. Functions in plain Rust are compiled once for each
//! width of vectors by `vectorized`; code by hand matches on the instruction set.

use crate::{Error, Result};
use std::sync::OnceLock;

/// The environment variable that names an instruction set.
pub const VARIABLE: &str = "SHARPDIM_SIMD";

/// An instruction set, from the least to the most capable.
///
/// ```
/// use sharpdim::simd::Simd;
/// let here = Simd::available();
/// assert_eq!(here[0], Simd::Portable);
/// assert!(here.contains(&Simd::current()));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Simd {
    /// What every processor of the architecture has.
    Portable,
    /// On aarch64, 128-bit vectors with products of bytes: NEON with `udot`. Only with the feature `neon`, and only
    /// `SHARPDIM_SIMD=neon` takes it.
    Neon,
    /// 256-bit vectors: AVX2 and FMA, with the rest of x86-64-v3.
    Avx2,
    /// 256-bit vectors with products of bytes: AVX-VNNI.
    AvxVnni,
    /// 512-bit vectors: AVX-512 F, BW, CD, DQ and VL (x86-64-v4).
    Avx512,
    /// 512-bit vectors with products of bytes: AVX-512 VNNI.
    Avx512Vnni,
    /// Products of 16 x 64 tiles of bytes: AMX-INT8, with AVX-512 VNNI for all else. Only `SHARPDIM_SIMD=amx` takes it.
    Amx,
}

impl Simd {
    const ALL: [Simd; 7] =
        [Simd::Portable, Simd::Neon, Simd::Avx2, Simd::AvxVnni, Simd::Avx512, Simd::Avx512Vnni, Simd::Amx];

    /// The name that `SHARPDIM_SIMD` takes.
    pub fn name(self) -> &'static str {
        match self {
            Simd::Portable => "portable",
            Simd::Neon => "neon",
            Simd::Avx2 => "avx2",
            Simd::AvxVnni => "avxvnni",
            Simd::Avx512 => "avx512",
            Simd::Avx512Vnni => "avx512vnni",
            Simd::Amx => "amx",
        }
    }

    /// The name that people know.
    pub fn title(self) -> &'static str {
        match self {
            Simd::Portable => "portable code",
            Simd::Neon => "NEON dot products",
            Simd::Avx2 => "AVX2",
            Simd::AvxVnni => "AVX-VNNI",
            Simd::Avx512 => "AVX-512",
            Simd::Avx512Vnni => "AVX-512 VNNI",
            Simd::Amx => "AMX",
        }
    }

    /// Those that this processor has, the least capable first. Linux is asked to let this process use AMX.
    pub fn available() -> Vec<Simd> {
        Self::ALL.into_iter().filter(|simd| simd.detected()).collect()
    }

    /// The one in use: what `SHARPDIM_SIMD` names, else the best that the processor has of those that are chosen
    /// automatically. The variable is read once.
    /// A value that names nothing the processor has is not followed; [`check`](Self::check) says so.
    #[inline]
    pub fn current() -> Simd {
        choice().0
    }

    /// Whether `SHARPDIM_SIMD`, where it is set, can be followed.
    ///
    /// # Errors
    /// [`Error::Argument`] where it names no instruction set, or one that this processor lacks.
    pub fn check() -> Result<()> {
        match &choice().1 {
            None => Ok(()),
            Some(wrong) => Err(Error::Argument(wrong.clone())),
        }
    }

    /// Whether vectors are 512 bits wide.
    pub(crate) fn wide(self) -> bool {
        self >= Simd::Avx512
    }

    /// The best that is chosen automatically.
    fn best() -> Simd {
        let mut ready = Self::ALL.into_iter().filter(|simd| !simd.untried());
        ready.rfind(|simd| simd.detected()).unwrap_or(Simd::Portable)
    }

    /// Whether no processor has run its code yet, so that it is taken by name only.
    fn untried(self) -> bool {
        matches!(self, Simd::Neon | Simd::Amx)
    }

    fn detected(self) -> bool {
        #[cfg(target_arch = "x86_64")]
        {
            use std::arch::is_x86_feature_detected as has;
            let v3 = has!("avx2")
                && has!("fma")
                && has!("bmi1")
                && has!("bmi2")
                && has!("f16c")
                && has!("lzcnt")
                && has!("movbe")
                && has!("popcnt");
            let v4 = v3
                && has!("avx512f")
                && has!("avx512bw")
                && has!("avx512cd")
                && has!("avx512dq")
                && has!("avx512vl");
            match self {
                Simd::Portable => true,
                Simd::Neon => false,
                Simd::Avx2 => v3,
                Simd::AvxVnni => v3 && has!("avxvnni"),
                Simd::Avx512 => v4,
                Simd::Avx512Vnni => v4 && has!("avx512vnni"),
                Simd::Amx => v4 && has!("avx512vnni") && has!("xsave") && amx(),
            }
        }
        #[cfg(not(target_arch = "x86_64"))]
        {
            #[cfg(all(target_arch = "aarch64", feature = "neon"))]
            let neon = std::arch::is_aarch64_feature_detected!("dotprod");
            #[cfg(not(all(target_arch = "aarch64", feature = "neon")))]
            let neon = false;
            self == Simd::Portable || neon && self == Simd::Neon
        }
    }

    /// The instruction set of a value of `SHARPDIM_SIMD`, or what is wrong with it.
    fn parse(value: &str) -> std::result::Result<Simd, String> {
        let names = |all: &[Simd]| all.iter().map(|simd| simd.name()).collect::<Vec<_>>().join(", ");
        let Some(simd) = Self::ALL.into_iter().find(|simd| simd.name() == value) else {
            return Err(format!(
                "{VARIABLE}={value} names no instruction set: expected one of {}",
                names(&Self::ALL)
            ));
        };
        if !simd.detected() {
            let here = names(&Self::available());
            let unbuilt = simd == Simd::Neon && cfg!(all(target_arch = "aarch64", not(feature = "neon")));
            let what = if unbuilt { "build" } else { "processor" };
            return Err(format!("{VARIABLE}={value}: this {what} has no {}, but {here}", simd.title()));
        }
        Ok(simd)
    }
}

/// Whether the processor has AMX-INT8, the system keeps its state, and this process may use it. To be asked of processors
/// with XSAVE and AVX-512, which have all that is read here.
#[cfg(target_arch = "x86_64")]
fn amx() -> bool {
    use std::arch::x86_64::{__cpuid_count, _xgetbv};
    #[target_feature(enable = "xsave")]
    fn saved() -> u64 {
        // SAFETY: where AVX-512 was detected, the system has enabled XSAVE, and there is register 0.
        unsafe { _xgetbv(0) }
    }
    /// AMX-TILE and AMX-INT8, of leaf 7's edx.
    const INSTRUCTIONS: u32 = 1 << 24 | 1 << 25;
    /// The tiles' configuration and their content, of the state that the system saves.
    const STATE: u64 = 1 << 17 | 1 << 18;
    #[allow(unused_unsafe, reason = "safe in newer versions of Rust")]
    // SAFETY: processors with AVX-512 have leaf 7.
    let leaf = unsafe { __cpuid_count(7, 0) };
    // SAFETY: XSAVE is there.
    leaf.edx & INSTRUCTIONS == INSTRUCTIONS && unsafe { saved() } & STATE == STATE && amx_permitted()
}

/// Asks Linux for the tiles' content, 8 KiB of state that it gives to processes that want it. What it grants, it grants to
/// all threads, and asking again does no harm.
#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
fn amx_permitted() -> bool {
    const ARCH_PRCTL: usize = 158;
    const ARCH_REQ_XCOMP_PERM: usize = 0x1023;
    const XFEATURE_XTILEDATA: usize = 18;
    let failed: usize;
    // SAFETY: this system call touches no memory of the process; it changes rax, rcx and r11.
    unsafe {
        std::arch::asm!(
            "syscall",
            inlateout("rax") ARCH_PRCTL => failed,
            in("rdi") ARCH_REQ_XCOMP_PERM,
            in("rsi") XFEATURE_XTILEDATA,
            out("rcx") _,
            out("r11") _,
            options(nostack),
        );
    }
    failed == 0
}

/// Other systems: not supported.
#[cfg(all(target_arch = "x86_64", not(target_os = "linux")))]
fn amx_permitted() -> bool {
    false
}

/// What is in use, and what is wrong with the variable's value.
fn choice() -> &'static (Simd, Option<String>) {
    static CHOICE: OnceLock<(Simd, Option<String>)> = OnceLock::new();
    CHOICE.get_or_init(|| {
        let value = std::env::var_os(VARIABLE).unwrap_or_default();
        let named = if value.is_empty() { Ok(Simd::best()) } else { Simd::parse(&value.to_string_lossy()) };
        match named {
            Ok(simd) => (simd, None),
            Err(wrong) => (Simd::best(), Some(wrong)),
        }
    })
}

/// Compiles a function for each width of vectors, and calls the one for [`Simd::current`]. To be applied by
/// `#[apply(vectorized)]`. The body is inlined into each: closures in it that LLVM does not inline, too, stay portable.
macro_rules! vectorized {
    (
        $(#[$attr:meta])* $vis:vis fn $name:ident < const $c:ident : $ct:ty >
        ( $($arg:ident : $t:ty),* $(,)? ) $(-> $ret:ty)? $body:block
    ) => {
        $crate::simd::vectorized! { @make [$(#[$attr])* $vis] $name [const $c : $ct] [$c] [$($arg : $t),*] [$(-> $ret)?] $body }
    };
    (
        $(#[$attr:meta])* $vis:vis fn $name:ident < $g:ident : $b:path , const $c:ident : $ct:ty >
        ( $($arg:ident : $t:ty),* $(,)? ) $(-> $ret:ty)? $body:block
    ) => {
        $crate::simd::vectorized! { @make [$(#[$attr])* $vis] $name [$g : $b, const $c : $ct] [$g, $c] [$($arg : $t),*] [$(-> $ret)?] $body }
    };
    (
        $(#[$attr:meta])* $vis:vis unsafe fn $name:ident < $g:ident : $b:path >
        ( $($arg:ident : $t:ty),* $(,)? ) $(-> $ret:ty)? $body:block
    ) => {
        $crate::simd::vectorized! { @make [$(#[$attr])* $vis unsafe] $name [$g : $b] [$g] [$($arg : $t),*] [$(-> $ret)?] $body }
    };
    (
        $(#[$attr:meta])* $vis:vis fn $name:ident $(< $g:ident : $b:path >)?
        ( $($arg:ident : $t:ty),* $(,)? ) $(-> $ret:ty)? $body:block
    ) => {
        $crate::simd::vectorized! { @make [$(#[$attr])* $vis] $name [$($g : $b)?] [$($g)?] [$($arg : $t),*] [$(-> $ret)?] $body }
    };
    (
        @make [$($head:tt)*] $name:ident [$($generics:tt)*] [$($given:tt)*]
        [$($arg:ident : $t:ty),*] [$($ret:tt)*] $body:block
    ) => {
        #[allow(clippy::too_many_arguments, reason = "as many as the function that is compiled")]
        $($head)* fn $name<$($generics)*>($($arg: $t),*) $($ret)* {
            #[inline(always)]
            fn body<$($generics)*>($($arg: $t),*) $($ret)* $body
            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx2,fma")]
                fn avx2<$($generics)*>($($arg: $t),*) $($ret)* {
                    body::<$($given)*>($($arg),*)
                }
                #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]
                fn avx512<$($generics)*>($($arg: $t),*) $($ret)* {
                    body::<$($given)*>($($arg),*)
                }
                match $crate::simd::Simd::current() {
                    $crate::simd::Simd::Portable | $crate::simd::Simd::Neon => {}
                    // SAFETY: the processor has the instruction set that is in use.
                    $crate::simd::Simd::Avx2 | $crate::simd::Simd::AvxVnni => return unsafe { avx2::<$($given)*>($($arg),*) },
                    // SAFETY: as above.
                    _ => return unsafe { avx512::<$($given)*>($($arg),*) },
                }
            }
            body::<$($given)*>($($arg),*)
        }
    };
}
pub(crate) use vectorized;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_instruction_set_of_the_processor_can_be_named() {
        let here = Simd::available();
        for simd in Simd::ALL {
            match Simd::parse(simd.name()) {
                Ok(found) => assert!(found == simd && here.contains(&simd)),
                Err(reason) => {
                    assert!(!here.contains(&simd));
                    assert!(reason.contains(" has no ") && reason.contains("portable"), "{reason}");
                }
            }
        }
        let reason = Simd::parse("sse9").unwrap_err();
        assert_eq!(
            reason,
            "SHARPDIM_SIMD=sse9 names no instruction set: expected one of portable, neon, avx2, avxvnni, avx512, avx512vnni, amx"
        );
    }

    #[test]
    fn amx_and_neon_are_only_taken_by_name() {
        let untried = [Simd::Amx, Simd::Neon];
        assert!(!untried.contains(&Simd::best()));
        let mut others = Simd::available().into_iter().filter(|simd| !untried.contains(simd));
        assert_eq!(others.next_back(), Some(Simd::best()));
        assert!(Simd::Amx > Simd::Avx512Vnni && Simd::Amx.wide());
        // For all but products of bytes NEON is as portable code.
        assert!(Simd::Neon < Simd::Avx2 && !Simd::Neon.wide());
        assert!(!Simd::Neon.detected() || cfg!(all(target_arch = "aarch64", feature = "neon")));
    }

    /// What was asked for is what runs: .ci/run sets the variable to each instruction set in turn.
    #[test]
    fn the_variable_is_followed() {
        Simd::check().unwrap();
        let asked = std::env::var(VARIABLE).unwrap_or_default();
        let expected = if asked.is_empty() { Simd::best().name().to_owned() } else { asked };
        assert_eq!(Simd::current().name(), expected);
    }
}
