/**
 * The slave channel (compatibility page, section 5): HTTP/1.1 of QVD's dialect on streams that nxagent and nxproxy carry through
 * the display's connection. Either end serves, for one connection per stream, and either end calls.
 */

/** nxagent listens for calls to the client at this port plus its display number, on loopback (section 2.2). */
export const SLAVE_PORT_BASE = 11_000

/** What `GET /version` tells: the newest generation whose words we speak (section 5.5). */
export const SLAVE_VERSION = '4.2'

/** Upgrade tokens. That of SFTP may carry a character set: `qvd:sftp/1.0;charset=ISO-8859-1`. */
export const SLAVE_UPGRADES = { sftp: 'qvd:sftp/1.0', usbip: 'qvd:usbip/1.0' } as const

/** Header of the 101 for a share: the name below `~/Redirected`. `POST /open/NAME` sends it back. */
export const SHARE_TICKET_HEADER = 'X-QVD-Share-Ticket'

/** Header of a 102, with what the other end is doing: it says that it lives. */
export const PROGRESS_HEADER = 'X-QVD-SlaveServer-Info'

/**
 * Routes in both directions, in the form that `serveSlave` reads: `*` stands for one component, `**` for the rest. Paths are sent
 * raw, without percent-encoding. All of them want the key, also those to which QVD's own ends gave an answer without one.
 */
export const SLAVE_ROUTES = {
  ping: 'GET /ping',
  version: 'GET /version',
  /** 200 when the port of the other side's loopback answers, 403 when it does not or must not, 400 for no port. */
  portCheck: 'GET /tcp/portcheck/*',
  /** 101, and then the raw stream of that port. */
  portConnect: 'POST /tcp/connect/*',
  /** To the guest: mounts a folder of the client, whose SFTP server speaks behind the 101. */
  share: 'PUT /shares/**',
  /** To the guest: serves a folder of the guest by SFTP behind the 101. */
  serve: 'GET /shares/**',
  /** To the guest: opens a document of a share. */
  openShared: 'POST /open/*',
  /** To the guest: attaches a USB device. */
  usbip: 'POST /usbip',
  /** To the client: tells its printers (`slave-printers.ts`). */
  printers: 'GET /printer',
  /** To the client: prints the body. The rest is `ID/printjob`. */
  printJob: 'POST /printer/**',
  /** To the client (not in QVD): opens the link that is the body. */
  openLink: 'POST /ostler/open/link',
  /** To the client (not in QVD): opens a copy of the document that is the body, under the name that follows. */
  openDocument: 'POST /ostler/open/document/*',
} as const

/** The longest link, in bytes. */
export const MAX_LINK = 8_192
/** The longest document that travels for being opened, in bytes. */
export const MAX_DOCUMENT = 32 * 1024 * 1024

/** The longest document that is printed over the channel, in bytes. */
export const MAX_PRINT_JOB = 64 * 1024 * 1024

/** The number of a TCP port; `undefined` for what is none. */
export function parsePort(text: string): number | undefined {
  const port = Number(text)
  return /^\d{1,5}$/.test(text) && port >= 1 && port <= 65_535 ? port : undefined
}

/** Whether an address is a web page or a mail to write: the only links that are ever opened for somebody else. */
export function isOpenableLink(text: string): boolean {
  if (text.length > MAX_LINK || /[\p{Cc}\s]/u.test(text)) return false
  return URL.canParse(text) && ['https:', 'http:', 'mailto:'].includes(new URL(text).protocol)
}
