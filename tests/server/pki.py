"""A small public key infrastructure for the tests of TLS, made by the program openssl: CAs, certificates
that are right, and those that are wrong in one way each."""
import os
import subprocess
import tempfile

CONFIG = """
[ca]
basicConstraints=critical,CA:TRUE
keyUsage=critical,keyCertSign,cRLSign
subjectKeyIdentifier=hash
[leaf]
basicConstraints=CA:FALSE
subjectAltName=DNS:localhost,IP:127.0.0.1
[elsewhere]
basicConstraints=CA:FALSE
subjectAltName=DNS:elsewhere.example
[default_ca_section]
database=%(folder)s/%(name)s.index
crlnumber=%(folder)s/%(name)s.crlnumber
default_md=sha256
default_crl_days=%(crl_days)d
[req]
distinguished_name=dn
[dn]
"""


class Authority:
    """A CA in a folder of its own files: NAME.pem, NAME.key."""

    def __init__(self, folder, name, issuer=None, days=3650):
        self.folder, self.name, self.issuer = folder, name, issuer
        self.certificate, self.key = (os.path.join(folder, name + end) for end in ('.pem', '.key'))
        self.serial = 0
        open(os.path.join(folder, name + '.index'), 'w').close()
        with open(os.path.join(folder, name + '.crlnumber'), 'w') as file:
            file.write('01\n')
        make_key(self.key)
        sign(self.key, self.certificate, '/CN=' + name, issuer or self, 'ca', days)

    def leaf(self, name, section='leaf', days=365, subject=None):
        """(certificate, key): two paths."""
        certificate, key = (os.path.join(self.folder, name + end) for end in ('.pem', '.key'))
        make_key(key)
        sign(key, certificate, subject or '/CN=' + name, self, section, days)
        return certificate, key

    def chain_leaf(self, name):
        """The same, with the CAs up to below the root behind the certificate."""
        certificate, key = self.leaf(name)
        authority = self
        with open(certificate, 'a') as file:
            while authority.issuer:
                with open(authority.certificate) as above:
                    file.write(above.read())
                authority = authority.issuer
        return certificate, key

    def configuration(self, crl_days=30):
        path = os.path.join(self.folder, self.name + '.cnf')
        with open(path, 'w') as file:
            file.write(CONFIG % {'folder': self.folder, 'name': self.name, 'crl_days': crl_days})
        return path

    def revoke(self, *certificates):
        """The path of a list of revoked certificates."""
        path = os.path.join(self.folder, self.name + '.crl')
        common = ['openssl', 'ca', '-config', self.configuration(), '-name', 'default_ca_section', '-cert',
                  self.certificate, '-keyfile', self.key]
        for certificate in certificates:
            run(common + ['-revoke', certificate])
        run(common + ['-gencrl', '-out', path])
        return path


def run(command):
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          check=False)
    if done.returncode != 0:
        raise AssertionError('%s: %s' % (' '.join(command), done.stdout.decode()))


def make_key(path):
    run(['openssl', 'ecparam', '-name', 'prime256v1', '-genkey', '-noout', '-out', path])


def sign(key, certificate, subject, issuer, section, days):
    """days < 0: it has expired so many days ago."""
    issuer.serial += 1
    configuration = issuer.configuration()
    request = certificate + '.csr'
    run(['openssl', 'req', '-new', '-key', key, '-subj', subject, '-out', request, '-config', configuration])
    command = ['openssl', 'x509', '-req', '-in', request, '-out', certificate, '-days', str(days), '-extfile',
               configuration, '-extensions', section, '-set_serial', str(issuer.serial)]
    if issuer.certificate == certificate:
        command += ['-signkey', key]
    else:
        command += ['-CA', issuer.certificate, '-CAkey', issuer.key]
    run(command)


def folder():
    """One that is removed with the process's end, and readable for a server that has left root."""
    made = tempfile.TemporaryDirectory(prefix='simplecache-pki-')
    os.chmod(made.name, 0o755)
    return made
