# SPDX-License-Identifier: Apache-2.0
"""An authority of a test's own, and what it signs, by the openssl program."""
import os
import pathlib
import subprocess


class Authority:
    def __init__(self, directory, name="Test Authority"):
        self.directory = pathlib.Path(directory)
        self.serial = 1
        self.openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                     "-nodes", "-days", "2", "-subj", f"/CN={name}",
                     "-keyout", self.path("ca.key"), "-out", self.path("ca.pem"))

    def path(self, name):
        return str(self.directory / name)

    def openssl(self, *words):
        subprocess.run(["openssl", *words], check=True, capture_output=True, timeout=30)

    def make(self, name, common_name, names="DNS:localhost,IP:127.0.0.1"):
        """NAME.pem and NAME.key, each replaced at once where it stood before."""
        self.serial += 1
        request, extensions = self.path("request"), self.directory / "extensions"
        extensions.write_text(f"subjectAltName={names}\n")
        self.openssl("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                     "-nodes", "-subj", f"/CN={common_name}", "-keyout", self.path("new.key"),
                     "-out", request)
        self.openssl("x509", "-req", "-in", request, "-CA", self.path("ca.pem"), "-CAkey",
                     self.path("ca.key"), "-set_serial", str(self.serial), "-days", "2",
                     "-extfile", str(extensions), "-out", self.path("new.pem"))
        os.replace(self.path("new.key"), self.path(f"{name}.key"))
        os.replace(self.path("new.pem"), self.path(f"{name}.pem"))
        return self

    def revoke(self, *names):
        """crl.pem says that these count no more, besides those that it named before."""
        config, index = self.directory / "ca.conf", self.directory / "index"
        config.write_text(f"[ca]\ndefault_ca=own\n[own]\ndatabase={index}\ndefault_md=sha256\n"
                          "default_crl_days=2\n")
        index.touch()
        sign = ["ca", "-config", str(config), "-keyfile", self.path("ca.key"), "-cert",
                self.path("ca.pem")]
        for name in names:
            self.openssl(*sign, "-revoke", self.path(f"{name}.pem"))
        self.openssl(*sign, "-gencrl", "-out", self.path("new.crl"))
        os.replace(self.path("new.crl"), self.path("crl.pem"))
        return self

    def tls(self, name, **more):
        """The tls object of a listener with this certificate."""
        return {"certificate_file": self.path(f"{name}.pem"),
                "key_file": self.path(f"{name}.key"), **more}
