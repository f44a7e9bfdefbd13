#!/bin/sh
# Installs Debian's chromium without a window, for the tests of the page, where none is there and
# root asks: a container of CI. It never fails: without a browser those tests are skipped, and say so.
for program in ${ADSCORE_CHROMIUM:-chromium chromium-headless-shell}; do
	command -v "$program" >/dev/null && exit 0
done
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
	echo "No chromium: the tests of the page in a browser are skipped." \
		"On Debian: sudo apt-get install chromium"
	exit 0
fi
echo "Installing Debian's chromium for the tests of the page ..."
export DEBIAN_FRONTEND=noninteractive
apt() {
	apt-get -qq -o Acquire::Retries=1 -o Acquire::http::Timeout=15 -o DPkg::Lock::Timeout=30 "$@"
}
{ apt update && apt install --yes --no-install-recommends chromium-headless-shell fonts-dejavu-core; } \
	>/dev/null 2>&1 || echo "skipped: apt-get did not install it, so the tests in a browser are skipped"
