//! `webpush keygen`

use push_crypto::{SecretString, vapid::SigningKey};
use zeroize::Zeroizing;

use crate::{
    args::{KeyFormat, KeygenArgs},
    error::{Error, Result},
    files, output,
};

/// Makes a VAPID key.
pub(crate) fn run(args: &KeygenArgs) -> Result<()> {
    let key = SigningKey::generate(&push_crypto::aws_lc::provider())
        .map_err(|error| Error::failed(format!("cannot make a key: {error}")))?;
    let text = written(&key, args.format)?;
    if let Some(path) = &args.out {
        files::create_private(path, text.as_bytes())?;
        output::note(&format!("private key in {}, public key (applicationServerKey):", path.display()));
        return output::line(&key.public_key().to_string());
    }
    output::line(text.trim_end())?;
    match args.format {
        // It holds both halves.
        KeyFormat::Json => Ok(()),
        // To standard error, so that what is redirected to a file is the private key only.
        KeyFormat::Pem | KeyFormat::Base64url => {
            output::note(&format!("public key (applicationServerKey): {}", key.public_key()));
            Ok(())
        }
    }
}

fn written(key: &SigningKey, format: KeyFormat) -> Result<Zeroizing<String>> {
    let text: SecretString = match format {
        KeyFormat::Pem => {
            key.to_pem().map_err(|error| Error::failed(format!("cannot write the key: {error}")))?
        }
        KeyFormat::Base64url | KeyFormat::Json => key.to_base64url(),
    };
    Ok(Zeroizing::new(match format {
        KeyFormat::Pem => text.expose().to_owned(),
        KeyFormat::Base64url => format!("{}\n", text.expose()),
        KeyFormat::Json => {
            format!("{{\"publicKey\":\"{}\",\"privateKey\":\"{}\"}}\n", key.public_key(), text.expose())
        }
    }))
}
