/** Keys of QVD's client that this one does not heed, for one reason. */
export interface UnheededKeys {
  /** Why; it completes "not used: …". */
  readonly reason: string
  /** Keys, or prefixes that end in a dot. */
  readonly keys: readonly string[]
}

/** Every key of QVD's client (compatibility page 10.2) that is none of `CLIENT_OPTIONS`. They change nothing, and are said so. */
export const UNHEEDED: readonly UnheededKeys[] = [
  {
    reason: 'it has another key here (sound, printers)',
    keys: [
      'client.audio.compression.enable',
      'client.audio.redirect.',
      'client.use.win-sftp-server',
      'command.sftp-server',
      'command.gsprint',
      'command.ghostscript',
    ],
  },
  {
    reason: 'USB devices are shared one by one, with `ostler usb share`, and no other program is needed',
    keys: ['client.usb.', 'command.usbsrv', 'command.usbclnt', 'command.usbip', 'path.usb.'],
  },
  {
    reason: 'the program at this end of the slave channel is part of this client',
    keys: [
      'client.slave.command',
      'client.slave.command.',
      'client.slave.client',
      'client.slave.debug_commands',
    ],
  },
  {
    reason: 'this client speaks English only',
    keys: ['client.locale'],
  },
  {
    reason:
      'the TLS library decides, by the settings of the system: at least TLS 1.2, no weak keys and signatures',
    keys: ['client.ssl.options.', 'client.ssl.allow_weak_key', 'client.ssl.allow_insecure_sign_algo'],
  },
  {
    reason:
      'no OCSP is asked: who gives certificates out stops doing so, and a pinned one is compared byte by byte',
    keys: ['client.ssl.ocsp_mode', 'client.ssl.allow_ocsp_server_failure', 'client.ssl.allow_ocsp_error'],
  },
  {
    reason: 'whoever is asked for a fingerprint answers when she has compared it',
    keys: ['client.ssl.error_timeout'],
  },
  {
    reason: 'the client keeps no log: it says on standard error what happens',
    keys: ['log.', 'client.log.', 'log4perl.'],
  },
  {
    reason: 'it is for the programs of Windows and macOS, on which this client starts no X server',
    keys: [
      'client.xming.extra_args',
      'client.vcxsrv.extra_args',
      'client.darwin.',
      'command.windows.',
      'command.darwin.',
      'internal.client.xserver.startup.timeout',
    ],
  },
  {
    reason: "it places the programs and files of QVD's client, and ours are where they are",
    keys: ['client.session_open.command', 'path.', 'command.'],
  },
]

/** @returns why a key of QVD's is not heeded; `undefined` when it is none of them. */
export function reasonUnheeded(key: string): string | undefined {
  const covers = (known: string): boolean => (known.endsWith('.') ? key.startsWith(known) : key === known)
  return UNHEEDED.find(({ keys }) => keys.some(covers))?.reason
}
