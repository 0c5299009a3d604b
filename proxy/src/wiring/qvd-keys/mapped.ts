/** A key of QVD whose meaning another key of ours has. */
export interface MappedKey {
  /** What QVD ships; `undefined`: nothing. */
  readonly default: string | undefined
  /** Our key. */
  readonly to: string
  /** The conversion, in words. */
  readonly how: string
  /** @returns what our key is then; `undefined`: this value changes nothing. */
  readonly convert: (value: string) => string | undefined
}

const same = (value: string): string => value

/**
 * Keys of QVD that are read as others of ours. Some have our own name and values that only QVD has: `to` is the key itself
 * then, and all other values stand as they are.
 */
export const MAPPED: Readonly<Record<string, MappedKey>> = {
  'l7r.ssl.options.SSL_version': {
    default: undefined,
    to: 'l7r.options.SSL_version',
    how: 'the same value: it is the name that QVD 3 has for it',
    convert: same,
  },
  'l7r.ssl.options.SSL_cipher_list': {
    default: undefined,
    to: 'l7r.options.SSL_cipher_list',
    how: 'the same value: it is the name that QVD 3 has for it',
    convert: same,
  },
  'log.preset': {
    default: 'file',
    to: 'log.filename',
    how: 'stdout and stderr: an empty log.filename, which is standard output; others change nothing',
    convert: (value) => (value === 'stdout' || value === 'stderr' ? '' : undefined),
  },
}

/** Values of keys that we have under the same name. */
export const MAPPED_VALUES: Readonly<Record<string, Omit<MappedKey, 'to' | 'default'>>> = {
  'l7r.as_user': {
    how: 'root is read as ostler: QVD does not heed the key, and a door of ours never runs as root',
    convert: (value) => (value === 'root' ? 'ostler' : undefined),
  },
  'vm.hypervisor': {
    how: 'kvm is read as lxc, since each flavour of virtual machines says hypervisor=kvm here; nothing is read as simulated',
    convert: (value) => ({ kvm: 'lxc', nothing: 'simulated' })[value],
  },
}
