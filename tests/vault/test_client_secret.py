"""The file of the client secret: private, one line, and in no text."""

import pytest

from app.vault.client_secret import ClientSecretFile, ClientSecretUnusable

SECRET = "made-up-client-secret"


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "client-secret"
    path.write_text(SECRET + "\n")
    path.chmod(0o600)
    return path


def test_it_goes_into_the_form_as_it_is_now(path):
    secret, form = ClientSecretFile(path), {}
    secret.check()
    secret.put_in_form(form)
    assert form == {"client_secret": SECRET}
    path.write_text("another-client-secret")
    secret.put_in_form(form)
    assert form == {"client_secret": "another-client-secret"}
    assert SECRET not in repr(vars(secret))


def test_a_file_that_others_may_open_is_refused(path):
    path.chmod(0o644)
    with pytest.raises(ClientSecretUnusable, match=r"PLEDGE_OAUTH_CLIENT_SECRET_FILE.*chmod 600"):
        ClientSecretFile(path).check()


@pytest.mark.parametrize("content", [b"", b"short", b"two\nlines-of-it", b"with a blank", b"\xff" * 20, b"x" * 2000])
def test_what_is_no_secret_is_refused_and_not_shown(path, content):
    path.write_bytes(content)
    with pytest.raises(ClientSecretUnusable) as refused:
        ClientSecretFile(path).check()
    assert "lines-of-it" not in str(refused.value)


def test_no_file_is_refused(tmp_path):
    for missing in (tmp_path / "none", tmp_path):
        with pytest.raises(ClientSecretUnusable, match=r"does not exist|is not a file"):
            ClientSecretFile(missing).check()
