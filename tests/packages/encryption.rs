//! B5: encryption. What stands in the place of pycryptodome and cryptography comes to the same as the packages themselves,
//! run natively; and the packages that need them run.

use super::*;

fn peers() -> PathBuf {
    crate::support::tests_folder().join("peers")
}

/// What a script of `tests/peers` returns natively, with the real package.
fn natively(module: &str, other: &Value) -> Value {
    let python = std::env::var("CRONBOX_TEST_VENV").expect("CRONBOX_TEST_VENV: `make test` sets it");
    let code = format!("import json, sys, {module} as it\nprint(json.dumps(it.run(json.load(sys.stdin))))");
    let mut child = Command::new(Path::new(&python).join("bin/python"))
        .args(["-B", "-c", &code])
        .env("PYTHONPATH", peers())
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .expect("starts");
    child.stdin.take().expect("piped").write_all(other.to_string().as_bytes()).expect("writes");
    let output = child.wait_with_output().expect("ends");
    assert!(output.status.success(), "{module} fails natively");
    serde_json::from_slice(&output.stdout).expect("JSON")
}

/// The same in a sandbox, as a bundle on a server.
async fn in_a_sandbox(server: &Server, module: &str, other: &Value) -> Value {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, path) in [("main.py", format!("{module}.py")), ("crypto_keys.py", "crypto_keys.py".into())] {
        zip.start_file(name, SimpleFileOptions::default()).expect("begins");
        zip.write_all(&std::fs::read(peers().join(path)).expect("reads")).expect("writes");
    }
    let body = zip.finish().expect("ends").into_inner();
    let request =
        server.request(Method::PUT, &format!("/v1/scripts/{module}")).header("content-type", "application/zip");
    let (status, kept) = server.json(request.body(body)).await;
    assert!(status == 201 || status == 200, "{kept}");
    let run = server.run(module, &json!({"args": {"other": other}, "limits": {"fuel": 400_000_000_000_u64}})).await;
    assert_eq!(run["status"], "succeeded", "{}", run["error"]);
    run["result"].clone()
}

async fn is_the_same(module: &str) {
    let folder = Folder::new();
    let wheels = folder.0.join("wheels");
    std::fs::create_dir(&wheels).expect("a folder");
    let server = serve(&folder, text(&wheels));
    let real = natively(module, &Value::Null);
    let ours = in_a_sandbox(&server, module, &real["made"]).await;
    assert_eq!(ours["same"], real["same"]);
    let back = natively(module, &ours["made"]);
    for (who, checked) in [("the sandbox", &ours["checked"]), ("the real package", &back["checked"])] {
        for (what, holds) in checked.as_object().expect("an object") {
            let holds = holds.as_array().map_or(holds == &json!(true), |all| all.iter().all(|one| one == &json!(true)));
            assert!(holds, "{who} does not take {what} of the other: {checked}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_there_for_pycryptodome_comes_to_the_same() {
    is_the_same("crypto_pycryptodome").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_there_for_cryptography_comes_to_the_same() {
    is_the_same("crypto_cryptography").await;
}

/// Every script beside this file uses what real scripts use, and checks what comes.
#[test]
fn real_packages_encrypt_and_sign() {
    let scripts = crate::support::tests_folder().join("packages/encryption");
    let folder = Folder::new();
    let mut failed = Vec::new();
    for script in std::fs::read_dir(scripts).expect("a folder").map(|entry| entry.expect("an entry").path()) {
        let mut command = Command::new(PROGRAM);
        command.arg("run").arg(&script).args([
            "--quiet",
            "--interpreter-cache",
            text(&crate::support::interpreter_cache()),
        ]);
        command.args(["--package-cache", text(&folder.0.join("cache")), "--index", text(&wheels())]);
        let (code, _, why) = said(&command.output().expect("starts"));
        if code != Some(0) {
            failed.push(format!("{}: {why}", script.display()));
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

/// What is not there says so in a sentence, under the name that was asked for.
#[test]
fn what_is_not_there_raises_a_sentence() {
    let folder = Folder::new();
    let wheels = folder.0.join("wheels");
    std::fs::create_dir(&wheels).expect("a folder");
    let body = "
def why(code):
    try:
        exec(code)
    except Exception as error:
        return f'{type(error).__name__}: {error}'

def run():
    return [why(code) for code in (
        'from Crypto.Cipher import DES3',
        'import Crypto.Cipher.Salsa20',
        'import Crypto.Protocol.KDF',
        'from Cryptodome.Cipher import AES; AES.new(bytes(16), AES.MODE_CCM)',
        'from cryptography.fernet import Fernet',
        'from cryptography.hazmat.primitives.ciphers import Cipher',
        'from cryptography import x509; x509.CertificateBuilder()',
        'from cryptography.hazmat.primitives.asymmetric import ed448; ed448.Ed448PrivateKey.generate()',
    )]
";
    let asked = ["pycryptodome", "pycryptodomex>=3", "cryptography>=3"];
    let (code, result, why) = said(&run(&folder, &asking(&asked, body), &["--index", text(&wheels)]));
    assert_eq!(code, Some(0), "{why}");
    let said: Vec<String> = serde_json::from_str(&result).expect("texts");
    for (said, (kind, name)) in said.iter().zip([
        ("ImportError", "Crypto.Cipher.DES3"),
        ("ModuleNotFoundError", "Crypto.Cipher.Salsa20"),
        ("ModuleNotFoundError", "Crypto.Protocol"),
        ("NotImplementedError", "AES has the modes"),
        ("ModuleNotFoundError", "cryptography.fernet"),
        ("ModuleNotFoundError", "cryptography.hazmat.primitives.ciphers"),
        ("ImportError", "x509.CertificateBuilder"),
        ("UnsupportedAlgorithm", "Ed448"),
    ]) {
        assert!(said.starts_with(kind) && said.contains(name) && said.contains("Cronbox"), "{said}");
    }
    assert!(why.contains("cryptography is native code; Cronbox's own part of it is there instead"), "{why}");
}
