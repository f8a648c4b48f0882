//! A real slapd for one test, on its own port and in its own folder, ended with the test.

use std::fmt::Write as _;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// How long slapd may take to start on a busy machine.
const START_MAX: Duration = Duration::from_secs(20);

pub struct Slapd {
    process: Child,
    pub port: u16,
    pub tls_port: u16,
    folder: TempDir,
}

impl Slapd {
    /// With the platform's directory and some odd entries.
    pub fn start() -> Slapd {
        Slapd::with("", None)
    }

    /// With more entries, and a certificate if it is to speak TLS.
    pub fn with(more: &str, certificate: Option<&Path>) -> Slapd {
        let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/directory");
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("db")).unwrap();
        let tls = certificate
            .map_or(String::new(), |file| format!("TLSCertificateFile {0}\nTLSCertificateKeyFile {0}", file.display()));
        let configuration = std::fs::read_to_string(data.join("slapd.conf")).unwrap();
        let configuration = configuration
            .replace("@DATA@", data.to_str().unwrap())
            .replace("@FOLDER@", folder.path().to_str().unwrap())
            .replace("@TLS@", &tls);
        let file = folder.path().join("slapd.conf");
        std::fs::write(&file, configuration).unwrap();
        let mut entries = String::new();
        for name in ["directory.ldif", "oddities.ldif"] {
            writeln!(entries, "{}\n", std::fs::read_to_string(data.join(name)).unwrap()).unwrap();
        }
        entries.push_str(more);
        load(&file, &folder.path().join("all.ldif"), &entries);
        let (port, tls_port) = (free_port(), free_port());
        let socket = folder.path().join("ldapi").display().to_string().replace('/', "%2F");
        let mut urls = format!("ldap://127.0.0.1:{port}/ ldapi://{socket}/");
        if certificate.is_some() {
            write!(urls, " ldaps://127.0.0.1:{tls_port}/").unwrap();
        }
        let process = tool("slapd").args(["-d", "0", "-h", &urls, "-f"]).arg(&file).stderr(Stdio::null()).spawn();
        let process = process.expect("slapd is missing: apt-get install slapd ldap-utils");
        let slapd = Slapd { process, port, tls_port, folder };
        slapd.wait_until_it_listens();
        slapd
    }

    pub fn socket(&self) -> PathBuf {
        self.folder.path().join("ldapi")
    }

    /// `STOP` and `CONT`: it keeps its connections and says nothing.
    pub fn signal(&self, name: &str) {
        let status = Command::new("kill").args([&format!("-{name}"), &self.process.id().to_string()]).status();
        assert!(status.unwrap().success());
    }

    fn wait_until_it_listens(&self) {
        let since = Instant::now();
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            assert!(since.elapsed() < START_MAX, "slapd does not listen");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Slapd {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn load(configuration: &Path, file: &Path, entries: &str) {
    std::fs::write(file, entries).unwrap();
    let output = tool("slapadd").args(["-q", "-f"]).arg(configuration).arg("-l").arg(file).output();
    let output = output.expect("slapadd is missing: apt-get install slapd ldap-utils");
    assert!(output.status.success(), "slapadd: {}", String::from_utf8_lossy(&output.stderr));
}

/// The server's programs lie where an ordinary user's path does not lead.
fn tool(name: &str) -> Command {
    let path = std::env::var("PATH").unwrap_or_default();
    let mut command = Command::new(name);
    command.env("PATH", format!("{path}:/usr/sbin:/sbin"));
    let direct = Path::new("/usr/sbin").join(name);
    if direct.exists() { Command::new(direct) } else { command }
}

pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}
