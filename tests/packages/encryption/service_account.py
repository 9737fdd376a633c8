# /// script
# dependencies = ["gspread", "google-api-python-client", "PyJWT"]
# ///
"""A service account of Google: gspread and google-api-python-client sign with its key."""

import json

import google.auth
import google.auth.crypt
import gspread
import jwt
from google.auth import jwt as google_jwt
from google.oauth2 import service_account
from googleapiclient.discovery import build_from_document
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
info = {
    "type": "service_account",
    "project_id": "prices",
    "private_key_id": "first",
    "private_key": key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode(),
    "client_email": "prices@prices.iam.gserviceaccount.com",
    "client_id": "1",
    "token_uri": "https://oauth2.googleapis.com/token",
}
credentials = service_account.Credentials.from_service_account_info(
    info, scopes=["https://www.googleapis.com/auth/spreadsheets"]
)
assertion = credentials._make_authorization_grant_assertion()
claims = jwt.decode(assertion, key.public_key(), algorithms=["RS256"], audience="https://oauth2.googleapis.com/token")
assert claims["iss"] == info["client_email"], claims
signer = google.auth.crypt.RSASigner.from_service_account_info(info)
token = google_jwt.encode(signer, {"aud": "x", "iat": claims["iat"], "exp": claims["exp"]})
assert jwt.decode(token, key.public_key(), algorithms=["RS256"], audience="x")["aud"] == "x"
assert gspread.authorize(credentials).http_client.auth is credentials
document = {
    "name": "sheets",
    "version": "v4",
    "rootUrl": "https://sheets.googleapis.com/",
    "servicePath": "",
    "baseUrl": "https://sheets.googleapis.com/",
    "resources": {
        "prices": {"methods": {"get": {"id": "prices.get", "path": "v4/{id}", "httpMethod": "GET", "parameters": {
            "id": {"type": "string", "required": True, "location": "path"}
        }}}}
    },
}
service = build_from_document(json.dumps(document), credentials=credentials)
assert service.prices().get(id="tea").uri.startswith("https://sheets.googleapis.com/v4/tea")
