//! What webhooks can trust: each data root has an Ed25519 key that signs what is sent to them, and the tokens by which
//! they and workers speak of one wake. A token is a signature itself, so none is kept.

use std::io;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use ring::digest::{SHA256, digest};
use ring::rand::{SecureRandom, SystemRandom};
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::room::subscription::Subscription;
use crate::store::subscriptions::Subscriptions;

/// How long a key is.
const SEED_BYTES: usize = 32;

/// How much of its hash names a key.
const KEY_ID_BYTES: usize = 12;

/// A data root's key.
#[derive(Debug)]
pub struct SigningKey {
    pair: Ed25519KeyPair,
    id: String,
}

/// A private key as its file has it (RFC 8037).
#[derive(Serialize, Deserialize)]
struct PrivateJwk {
    kty: String,
    crv: String,
    d: String,
    x: String,
}

impl SigningKey {
    /// The key beside these subscriptions; made where there is none. Fails where the file is something else: it is left
    /// as it is then.
    pub fn of(subscriptions: &Subscriptions) -> io::Result<SigningKey> {
        let unusable = |why: &str| io::Error::new(io::ErrorKind::InvalidData, format!("the signing key: {why}"));
        let file = subscriptions.key(|| {
            let mut seed = [0; SEED_BYTES];
            SystemRandom::new().fill(&mut seed).map_err(|_| io::Error::other("there are no random numbers"))?;
            let pair = Ed25519KeyPair::from_seed_unchecked(&seed).map_err(|_| unusable("it was not made"))?;
            let (d, x) = (BASE64.encode(seed), BASE64.encode(pair.public_key()));
            Ok(serde_json::to_vec(&PrivateJwk { kty: "OKP".into(), crv: "Ed25519".into(), d, x })?)
        })?;
        let jwk: PrivateJwk = serde_json::from_slice(&file).map_err(|_| unusable("expected a JWK"))?;
        let part = |text: &str| BASE64.decode(text).map_err(|_| unusable("expected base64url"));
        let pair = Ed25519KeyPair::from_seed_and_public_key(&part(&jwk.d)?, &part(&jwk.x)?);
        let pair = pair.map_err(|_| unusable("expected a key of Ed25519"))?;
        let hash = digest(&SHA256, pair.public_key().as_ref());
        let id = format!("ds_{}", BASE64.encode(&hash.as_ref()[..KEY_ID_BYTES]));
        Ok(SigningKey { pair, id })
    }

    /// What it is called.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// What everybody may know of it: a set of JWKs (RFC 7517).
    pub fn public(&self) -> Value {
        let x = BASE64.encode(self.pair.public_key());
        json!({"keys": [{"kty": "OKP", "crv": "Ed25519", "x": x, "kid": self.id, "use": "sig", "alg": "EdDSA"}]})
    }

    /// The header field `Webhook-Signature` of this body, sent `now`, in seconds since 1970.
    pub fn header(&self, now: i64, body: &str) -> String {
        let signature = self.pair.sign(format!("{now}.{body}").as_bytes());
        format!("t={now},kid={},ed25519={}", self.id, BASE64.encode(signature))
    }

    /// The token of the wake that is under way.
    pub fn token(&self, subscription: &Subscription) -> String {
        let generation = subscription.generation;
        format!("{generation}.{}", BASE64.encode(self.pair.sign(&claim(subscription, generation))))
    }

    /// Of which wake of this subscription the token is; `None` where it is none of its tokens.
    pub fn generation_of(&self, token: &str, subscription: &Subscription) -> Option<u64> {
        let (generation, signature) = token.split_once('.')?;
        let generation = generation.parse().ok()?;
        let key = UnparsedPublicKey::new(&ED25519, self.pair.public_key());
        key.verify(&claim(subscription, generation), &BASE64.decode(signature).ok()?).ok()?;
        Some(generation)
    }
}

/// What a token signs. No body of a webhook begins so, for a time is before each.
fn claim(subscription: &Subscription, generation: u64) -> Vec<u8> {
    format!("token {} {generation} {}", subscription.created, subscription.id).into_bytes()
}
