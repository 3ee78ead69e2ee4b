"""Certificates made with openssl, good ones and bad ones."""

import datetime

VALID_DAYS = 30


class Authority:
    def __init__(self, context, name="test-ca"):
        self.context = context
        self.name = name
        self.folder = context.path(name)
        self.folder.mkdir()
        self._serial = 0
        self._openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout",
                      "ca.key", "-out", "ca.crt", "-days", str(VALID_DAYS), "-subj", f"/CN={name}",
                      "-addext", "keyUsage=critical,keyCertSign,cRLSign")

    def _openssl(self, *words):
        self.context.run(["openssl", *words], cwd=self.folder)

    def _text(self, file):
        return (self.folder / file).read_text()

    @property
    def certificate(self):
        return self._text("ca.crt")

    def issue(self, name, hosts=(), ends=None):
        """A bundle as a folder of input/certs has it. hosts: IP addresses or DNS names. ends: when it expires."""
        self._serial += 1
        names = [f"IP:{host}" if host[-1].isdigit() else f"DNS:{host}" for host in hosts] or [f"DNS:{name}"]
        (self.folder / "extensions").write_text(f"subjectAltName={','.join(names)}\n")
        stem = f"{name}-{self._serial}"
        self._openssl("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout",
                      f"{stem}.key", "-out", f"{stem}.csr", "-subj", f"/CN={name}")
        (self.folder / "database").touch()
        (self.folder / "serial").write_text(f"{self._serial + 16:02X}\n")
        (self.folder / "ca.conf").write_text(
            "[ca]\ndefault_ca=it\n[it]\ndatabase=database\nserial=serial\nnew_certs_dir=.\ndefault_md=sha256\n"
            "policy=any\nunique_subject=no\n[any]\ncommonName=supplied\n")
        # `openssl ca` is the one command that can make a certificate which has expired already.
        until = ["-startdate", "20200101000000Z", "-enddate", f"{ends:%Y%m%d%H%M%SZ}"] if ends else []
        self._openssl("ca", "-batch", "-config", "ca.conf", "-cert", "ca.crt", "-keyfile", "ca.key",
                      "-in", f"{stem}.csr", "-out", f"{stem}.crt", "-notext", "-extfile", "extensions",
                      *(until or ["-days", str(VALID_DAYS)]))
        return {"ca.crt": self.certificate, "tls.crt": self._text(f"{stem}.crt"), "tls.key": self._text(f"{stem}.key")}


    def revoke(self, *bundles):
        """The list of revoked certificates, with those of the bundles on it."""
        for bundle in bundles:
            (self.folder / "revoked.crt").write_text(bundle["tls.crt"])
            self._openssl("ca", "-config", "ca.conf", "-cert", "ca.crt", "-keyfile", "ca.key", "-revoke", "revoked.crt")
        self._openssl("ca", "-config", "ca.conf", "-cert", "ca.crt", "-keyfile", "ca.key", "-gencrl", "-crldays", "7",
                      "-out", "ca.crl")
        return self._text("ca.crl")


def utc_now():
    return datetime.datetime.now(datetime.timezone.utc)
