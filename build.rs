//! Compiles kernels/*.cu: by nvcc for real GPUs (feature `cuda`), by the host's C++ compiler for the
//! emulated one (feature `emulator`). Without these features it does nothing.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    #[cfg(any(feature = "cuda", feature = "emulator"))]
    {
        println!("cargo::rustc-cfg=gpu");
        println!("cargo::rerun-if-changed=kernels");
    }
    #[cfg(feature = "cuda")]
    cuda::build();
    #[cfg(feature = "emulator")]
    emulator::build();
}

/// Real GPUs: one fatbin per kernel file, and `fatbins.rs`, which embeds them all.
#[cfg(feature = "cuda")]
mod cuda {
    use crate::shared::*;
    use std::path::{Path, PathBuf};
    use std::process::Command;

    /// Machine code for data centre GPUs, and PTX that the driver compiles for all later ones.
    const DEFAULT_ARCHS: &str = "80,90a,ptx80";

    pub fn build() {
        let mut table = "/// Each file of kernels/ by name, and what it was compiled to.\n".to_string();
        table += "pub static FATBINS: &[(&str, &[u8])] = &[\n";
        // docs.rs has no nvcc, and documentation needs no kernels.
        if env("DOCS_RS").is_none() {
            for fatbin in fatbins() {
                let name = fatbin.file_stem().unwrap().display().to_string();
                table += &format!("    ({name:?}, include_bytes!({fatbin:?})),\n");
            }
        }
        write(&out_dir().join("fatbins.rs"), table + "];\n");
    }

    fn fatbins() -> Vec<PathBuf> {
        let flags = architectures();
        let nvcc = find_nvcc();
        let version = version(&nvcc);
        let mut tasks = Vec::new();
        for source in files("kernels", &["cu"]) {
            let stem = source.file_stem().unwrap().to_os_string();
            let mut command = Command::new(&nvcc);
            // -v: registers, shared memory and spills of each kernel, for scripts/kernel-report.
            command.args(["-fatbin", "-O3", "-std=c++17", "-lineinfo", "-Xptxas", "-v,-warn-spills"]);
            command.args(["-I", "kernels"]).args(&flags);
            if let Some(host_compiler) = env("NVCC_CCBIN") {
                command.arg("-ccbin").arg(host_compiler);
            }
            let output = out_dir().join(stem).with_extension("fatbin");
            let log = output.with_extension("ptxas.txt");
            tasks.push(Task { source, command, output, log: Some(log) });
        }
        // nvcc reads flags from these variables, too.
        let unseen = ["NVCC_PREPEND_FLAGS", "NVCC_APPEND_FLAGS"].map(|name| format!("{:?}", env(name)));
        run(tasks, &files("kernels", &["cuh", "h"]), &[version, unseen.concat()])
    }

    /// nvcc's flags for the architectures of SHARPDIM_CUDA_ARCHS, regardless of this machine's GPU.
    fn architectures() -> Vec<String> {
        let list = env("SHARPDIM_CUDA_ARCHS").unwrap_or(DEFAULT_ARCHS.into());
        let mut flags = Vec::new();
        for item in list.split(',').map(str::trim) {
            let (code, arch) = match item.strip_prefix("ptx") {
                Some(arch) => ("compute", arch),
                None => ("sm", item),
            };
            let number = arch.strip_suffix(['a', 'f']).unwrap_or(arch);
            match number.parse::<u32>() {
                Ok(80..=999) => {}
                Ok(_) => fail(&format!(
                    "SHARPDIM_CUDA_ARCHS={list}: {item:?} is too old, the kernels need 80 or later"
                )),
                Err(_) => fail(&format!(
                    "SHARPDIM_CUDA_ARCHS={list}: {item:?} is no architecture.\n\
                     Expected: numbers as in sm_80, with ptx before those to keep as PTX; by default {DEFAULT_ARCHS}"
                )),
            }
            flags.push("-gencode".to_string());
            flags.push(format!("arch=compute_{arch},code={code}_{arch}"));
        }
        flags
    }

    fn find_nvcc() -> PathBuf {
        let name = format!("nvcc{}", std::env::consts::EXE_SUFFIX);
        let mut looked = String::new();
        if let Some(nvcc) = env("NVCC") {
            let nvcc = PathBuf::from(nvcc);
            match Command::new(&nvcc).arg("--version").output() {
                Ok(_) => return nvcc,
                Err(error) => fail(&format!("NVCC={} does not run: {error}", nvcc.display())),
            }
        }
        looked += "  $NVCC: not set\n";
        let mut places = Vec::new();
        for variable in ["CUDA_HOME", "CUDA_PATH"] {
            match env(variable) {
                Some(home) => places.push((format!("${variable}/bin"), Path::new(&home).join("bin"))),
                None => looked += &format!("  ${variable}/bin: ${variable} is not set\n"),
            }
        }
        // Not by `env`: a change of PATH alone needs no rebuild.
        let path = std::env::var_os("PATH").unwrap_or_default();
        places.extend(std::env::split_paths(&path).map(|folder| ("$PATH".to_string(), folder)));
        places.push(("the default place".into(), "/usr/local/cuda/bin".into()));
        places.push(("scripts/get-nvcc".into(), manifest_dir().join(".cuda/bin")));
        places.dedup();
        for (why, folder) in places {
            let nvcc = folder.join(&name);
            if nvcc.is_file() {
                return nvcc;
            }
            looked += &format!("  {why}: no {}\n", nvcc.display());
        }
        fail(&format!(
            "the feature `cuda` needs nvcc (CUDA 12.0 or later) to compile the kernels, and there is none. Looked at:\n\
             {looked}\
             Install NVIDIA's CUDA toolkit, or run scripts/get-nvcc, which gets nvcc from PyPI without root.\n\
             Without the feature `cuda`, sharpdim runs on the CPU and needs no nvcc."
        ))
    }

    fn version(nvcc: &Path) -> String {
        let output = match Command::new(nvcc).arg("--version").output() {
            Ok(output) if output.status.success() => String::from_utf8_lossy(&output.stdout).into_owned(),
            Ok(output) => {
                fail(&format!("{} --version: {}", nvcc.display(), String::from_utf8_lossy(&output.stderr)))
            }
            Err(error) => fail(&format!("{} does not run: {error}", nvcc.display())),
        };
        let release = output.split("release ").nth(1).and_then(|rest| rest.split('.').next());
        match release.and_then(|major| major.parse::<u32>().ok()) {
            Some(..12) => {
                fail(&format!("{} is too old, CUDA 12.0 or later is needed:\n{output}", nvcc.display()))
            }
            _ => output,
        }
    }
}

/// The emulated GPU: kernels and runtime as C++20, in one static library.
#[cfg(feature = "emulator")]
mod emulator {
    use crate::shared::*;
    use std::process::Command;

    pub fn build() {
        println!("cargo::rerun-if-changed=emulator");
        let sanitize = match env("SHARPDIM_EMULATOR_SANITIZE").as_deref() {
            None | Some("0") => false,
            Some("1") => true,
            Some(other) => fail(&format!("SHARPDIM_EMULATOR_SANITIZE={other}: expected 1 or 0")),
        };
        let mut build = cc::Build::new();
        build.cpp(true).std("c++20").debug(true).pic(true).warnings(true).extra_warnings(true);
        // As nvcc: types may alias. Unlike nvcc: only explicit fused multiply-adds.
        build.flags(["-fno-strict-aliasing", "-ffp-contract=off", "-pthread", "-Wno-unknown-pragmas"]);
        if sanitize {
            build.opt_level(1).flags(["-fsanitize=address,undefined", "-fno-sanitize-recover=undefined"]);
            build.force_frame_pointer(true);
        } else {
            build.opt_level(2);
        }
        let compiler = build
            .try_get_compiler()
            .unwrap_or_else(|error| fail(&format!("the feature `emulator` needs a C++20 compiler: {error}")));
        check(&compiler);
        if sanitize && !compiler.is_like_gnu() {
            fail(
                "SHARPDIM_EMULATOR_SANITIZE=1 needs g++: other compilers' sanitizers don't link into Rust's programs",
            );
        }
        let version = Command::new(compiler.path()).arg("--version").output().map(|output| output.stdout);

        let mut sources = files("kernels", &["cu"]);
        sources.extend(files("emulator", &["cu"]));
        sources.push("emulator/runtime.cpp".into());
        let mut tasks = Vec::new();
        for source in sources {
            let mut command = Command::new(compiler.path());
            command.args(compiler.args()).args(["-I", "kernels", "-I", "emulator", "-c", "-x", "c++"]);
            let mut object = source.to_string_lossy().replace(['/', '\\', '.'], "_");
            object += if sanitize { ".sanitized.o" } else { ".o" };
            tasks.push(Task { source, command, output: out_dir().join(object), log: None });
        }
        let mut headers = files("kernels", &["cuh", "h"]);
        headers.extend(files("emulator", &["h"]));
        let objects = run(tasks, &headers, &[format!("{version:?}")]);

        if sanitize {
            // As libraries, and before libstdc++, since the program must load them first. (-fsanitize=address would
            // not work: rustc links with -nodefaultlibs, under which it adds no libraries.)
            println!("cargo::rustc-link-lib=dylib=asan");
            println!("cargo::rustc-link-lib=dylib=ubsan");
        }
        cc::Build::new().cpp(true).objects(objects).compile("sharpdim_emulator");
    }

    /// Checks that the compiler exists and supports the C++20 features that the emulator uses.
    fn check(compiler: &cc::Tool) {
        let probe = out_dir().join("probe.cpp");
        write(&probe, "#include <bit>\n#include <source_location>\nstd::source_location here;\n");
        let mut command = Command::new(compiler.path());
        command.args(compiler.args()).arg("-fsyntax-only").arg(&probe);
        let complaint = match command.output() {
            Ok(output) if output.status.success() => return,
            Ok(output) => String::from_utf8_lossy(&output.stderr).into_owned(),
            Err(error) => error.to_string(),
        };
        fail(&format!(
            "the feature `emulator` needs a C++20 compiler: GCC 11, Clang 16 or later; CXX chooses one.\n\
             This did not work: {}\n{complaint}",
            command_line(&command)
        ))
    }
}

/// Runs compilers, in parallel, and only for changed sources.
#[cfg(any(feature = "cuda", feature = "emulator"))]
mod shared {
    use std::collections::hash_map::DefaultHasher;
    use std::hash::{Hash, Hasher};
    use std::path::{Path, PathBuf};
    use std::process::Command;
    use std::sync::Mutex;
    use std::{fs, thread};

    /// One source to compile.
    pub struct Task {
        /// Relative to the manifest's folder.
        pub source: PathBuf,
        /// The compiler and its flags, without `-o output source`.
        pub command: Command,
        pub output: PathBuf,
        /// The file for the compiler's output; without one, the output is shown.
        pub log: Option<PathBuf>,
    }

    /// Brings every output up to date, and lists them. A source is recompiled when it, a header, its flags
    /// or `also` changed. SHARPDIM_KERNEL_CACHE names a folder through which builds with different profiles
    /// and features share outputs.
    pub fn run(tasks: Vec<Task>, headers: &[PathBuf], also: &[String]) -> Vec<PathBuf> {
        let cache = env("SHARPDIM_KERNEL_CACHE").map(|folder| manifest_dir().join(folder));
        let mut hasher = DefaultHasher::new();
        also.hash(&mut hasher);
        for header in headers {
            (header, read(header)).hash(&mut hasher);
        }
        let outputs = tasks.iter().map(|task| task.output.clone()).collect();

        let jobs = env("NUM_JOBS").and_then(|jobs| jobs.parse().ok()).unwrap_or(1);
        let queue = Mutex::new(tasks.into_iter());
        let next = || queue.lock().unwrap().next();
        let failures = Mutex::new(Vec::new());
        thread::scope(|scope| {
            for _ in 0..jobs {
                scope.spawn(|| {
                    while let Some(task) = next() {
                        if let Err(failure) = task.run(hasher.clone(), cache.as_deref()) {
                            failures.lock().unwrap().push(failure);
                        }
                    }
                });
            }
        });
        let failures = failures.into_inner().unwrap();
        if !failures.is_empty() {
            fail(&failures.join("\n"));
        }
        outputs
    }

    impl Task {
        fn run(mut self, mut hasher: DefaultHasher, cache: Option<&Path>) -> Result<(), String> {
            self.command.current_dir(manifest_dir());
            let flags: Vec<_> = self.command.get_args().collect();
            (self.command.get_program(), flags, &self.source, read(&self.source)).hash(&mut hasher);
            let key = format!("{:016x}", hasher.finish());
            // An output has its key, written last, and the log beside it.
            let key_file = with_suffix(&self.output, "key");
            let log = with_suffix(&self.output, "log");
            let up_to_date =
                self.output.exists() && fs::read_to_string(&key_file).is_ok_and(|had| had == key);
            let cached = cache.map(|folder| folder.join(&key));
            if !up_to_date {
                let _ = fs::remove_file(&key_file);
                let found = cached.as_ref().is_some_and(|cached| {
                    fs::copy(cached, &self.output).is_ok()
                        && fs::copy(with_suffix(cached, "log"), &log).is_ok()
                });
                if !found {
                    self.compile(&log)?;
                    if let Some(cached) = cached {
                        // The output last, under a temporary name until it is complete: other builds may read it.
                        let part = with_suffix(&cached, &format!("{}.part", std::process::id()));
                        let _ = fs::create_dir_all(cached.parent().unwrap());
                        let _ = fs::copy(&log, with_suffix(&cached, "log"));
                        let _ = fs::copy(&self.output, &part).and_then(|_| fs::rename(&part, &cached));
                    }
                }
            }
            let said = String::from_utf8_lossy(&read(&log)).into_owned();
            match &self.log {
                Some(kept) => {
                    write(kept, &said);
                    said.lines().filter(|line| line.contains("warning")).for_each(warn);
                }
                None => said.lines().for_each(warn),
            }
            write(&key_file, key);
            Ok(())
        }

        fn compile(&mut self, log: &Path) -> Result<(), String> {
            self.command.arg("-o").arg(&self.output).arg(&self.source);
            let line = command_line(&self.command);
            let output =
                self.command.output().map_err(|error| format!("this did not run: {line}\n{error}"))?;
            let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
            if !output.status.success() {
                let (source, folder) = (self.source.display(), manifest_dir());
                let mut failure = format!("{source} does not compile ({}). The command, in ", output.status);
                failure += &format!("{}:\n{line}\n{said}", folder.display());
                if said.contains("host compiler") || said.contains("unsupported GNU version") {
                    failure += "\nNVCC_CCBIN chooses the host compiler that nvcc uses.";
                }
                return Err(failure);
            }
            write(log, said);
            Ok(())
        }
    }

    /// A command as a shell command line.
    pub fn command_line(command: &Command) -> String {
        let words = std::iter::once(command.get_program()).chain(command.get_args());
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_=+,./:@%\\".contains(c);
        let quoted = words.map(|word| match word.to_string_lossy() {
            word if word.chars().all(plain) => word.into_owned(),
            word => format!("'{word}'"),
        });
        quoted.collect::<Vec<_>>().join(" ")
    }

    /// The files in a folder of this repository and its subfolders whose names end in one of `endings`.
    pub fn files(folder: &str, endings: &[&str]) -> Vec<PathBuf> {
        let mut found = Vec::new();
        let mut folders = vec![PathBuf::from(folder)];
        while let Some(folder) = folders.pop() {
            let entries = fs::read_dir(manifest_dir().join(&folder));
            for entry in
                entries.unwrap_or_else(|error| fail(&format!("{}: {error}", folder.display()))).flatten()
            {
                let path = folder.join(entry.file_name());
                if manifest_dir().join(&path).is_dir() {
                    folders.push(path);
                } else if path.extension().is_some_and(|ending| endings.iter().any(|e| ending == *e)) {
                    found.push(path);
                }
            }
        }
        found.sort();
        found
    }

    /// An environment variable, if it is set and not empty; a change of it reruns this script.
    pub fn env(name: &str) -> Option<String> {
        println!("cargo::rerun-if-env-changed={name}");
        std::env::var(name).ok().filter(|value| !value.is_empty())
    }

    pub fn manifest_dir() -> PathBuf {
        std::env::var_os("CARGO_MANIFEST_DIR").expect("set by Cargo").into()
    }

    pub fn out_dir() -> PathBuf {
        std::env::var_os("OUT_DIR").expect("set by Cargo").into()
    }

    fn read(path: &Path) -> Vec<u8> {
        fs::read(manifest_dir().join(path))
            .unwrap_or_else(|error| fail(&format!("{}: {error}", path.display())))
    }

    pub fn write(path: &Path, content: impl AsRef<[u8]>) {
        fs::write(path, content).unwrap_or_else(|error| fail(&format!("{}: {error}", path.display())))
    }

    fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
        let mut path = path.as_os_str().to_os_string();
        path.push(".");
        path.push(suffix);
        path.into()
    }

    fn warn(line: &str) {
        println!("cargo::warning={line}");
    }

    /// Fails the build with this message.
    pub fn fail(message: &str) -> ! {
        for line in message.lines() {
            println!("cargo::error={line}");
        }
        std::process::exit(0) // Cargo fails the build for the errors; another code would make it print all twice.
    }
}
