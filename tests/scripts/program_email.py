# expect: succeeded result='{"subject": "Täglicher Bericht", "parts": ["text/plain", "text/html", "text/csv"], "attachment": "a,b\r\n1,2\r\n"}'
# A message with parts, written and parsed again.
import email
import email.message
import email.policy


def run():
    message = email.message.EmailMessage()
    message["Subject"] = "Täglicher Bericht"
    message["To"] = "Zoë <zoe@example.com>"
    message.set_content("Hallo")
    message.add_alternative("<p>Hallo</p>", subtype="html")
    message.add_attachment(b"a,b\r\n1,2\r\n", maintype="text", subtype="csv", filename="a.csv")
    again = email.message_from_bytes(message.as_bytes(), policy=email.policy.default)
    leaves = [part for part in again.walk() if not part.is_multipart()]
    assert again["To"].addresses[0].display_name == "Zoë"
    return {
        "subject": again["Subject"],
        "parts": [part.get_content_type() for part in leaves],
        "attachment": leaves[2].get_payload(decode=True).decode(),
    }
