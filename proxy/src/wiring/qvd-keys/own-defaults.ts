const APART = 'a node may stand beside a QVD that is still there, and takes nothing of it'

/** Keys that a node heeds as QVD does, and why their default is not the one that QVD ships. */
export const OWN_DEFAULTS: Readonly<Record<string, string>> = {
  'database.host': 'each node has a PostgreSQL of its own unless one is named',
  'database.user': APART,
  'database.name': APART,
  'path.run': APART,
  'path.log': APART,
  'path.storage.root': APART,
  'path.storage.overlayfs': 'the same folder: path.storage.btrfs.root is path.storage.root unless it is set',
  'path.l7r.ssl.key': 'a key that was made here must outlive a reboot, and path.run does not',
  'path.l7r.ssl.cert': 'a certificate that was made here must outlive a reboot, and path.run does not',
  'path.l7r.ssl.ca': 'a file that is named must be there; QVD names one that may be missing',
  'path.l7r.ssl.crl': 'a file that is named must be there; QVD names one that may be missing',
  'path.api.ssl.key':
    'a key that was made here must outlive a reboot, and lies with what else is of this node',
  'path.api.ssl.cert':
    'a certificate that was made here must outlive a reboot, and lies with what else is of this node',
  'command.kvm': "it is QEMU's own name, which every distribution has",
  'l7r.options.SSL_version': 'TLS 1.3 is spoken, too',
  'l7r.options.SSL_cipher_list': "Node's own list is newer",
  'l7r.loadbalancer.plugin': "QVD's formula prefers a big node that is full to a small one that is empty",
  'l7r.as_user': 'the door needs no root',
  'log.filename': 'lines go to standard output, for journald',
  'vm.network.bridge': APART,
  'vm.network.ip.start': APART,
  'vm.network.netmask': APART,
  'internal.hkd.max_heavy': 'it counts unpackings alone here, and two fill a disk',
}
