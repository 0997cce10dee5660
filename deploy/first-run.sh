#!/bin/sh
# Makes what compose.yaml expects: random secrets, the vault's 64-digit key, the bucket and the vault. What is there it leaves as it is, so it may
# be run again when it was interrupted.
set -eu
umask 077
cd "$(dirname "$0")"
mkdir -p secrets data/state data/minio

for name in client_secret minio_user minio_password; do
  [ -s "secrets/$name" ] && continue
  od -An -N20 -tx1 /dev/urandom | tr -d ' \n' > secrets/.new
  echo >> secrets/.new
  mv secrets/.new "secrets/$name"
done

# What reads the secrets in containers runs as whoever owns them, and never as root.
owner="$(id -u):$(id -g)"
[ "$(id -u)" != 0 ] || owner=65532:65532
echo "SALLYPORT_USER=$owner" > .env

docker compose build gateway
if [ ! -s secrets/vault_key ]; then
  docker compose run --rm -T new-key > secrets/.new
  mv secrets/.new secrets/vault_key
fi
[ "$(id -u)" != 0 ] || chown -R "$owner" secrets data
if [ ! -e data/vault-created ]; then
  docker compose run --rm -T create-vault
  : > data/vault-created
fi

cat <<'END'

secrets/vault_key holds the only key to your data. Write its 64 digits down, or copy the file to where a fire in this
room does not reach: whoever loses it loses everything, and whoever reads it can read everything.
Next: docker compose up --detach
END
