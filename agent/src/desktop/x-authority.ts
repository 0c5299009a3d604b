import { randomBytes } from 'node:crypto'

const FAMILY_WILD = 0xffff

/**
 * The content of an Xauthority file with one new MIT-MAGIC-COOKIE-1 for some displays.
 * @returns bytes that both the X server (`-auth`) and its clients (`XAUTHORITY`) read.
 */
export function xAuthority(displays: readonly number[]): Buffer {
  const cookie = randomBytes(16)
  return Buffer.concat(
    displays.flatMap((display) => {
      const family = Buffer.alloc(2)
      family.writeUInt16BE(FAMILY_WILD)
      return [
        family,
        counted(Buffer.alloc(0)),
        counted(Buffer.from(String(display))),
        counted(Buffer.from('MIT-MAGIC-COOKIE-1')),
        counted(cookie),
      ]
    }),
  )
}

/** The cookie in a file that `xAuthority` made. */
export function cookieOf(authority: Buffer): Buffer {
  let at = 2
  for (let field = 0; field < 3; field++) at += 2 + authority.readUInt16BE(at)
  return authority.subarray(at + 2, at + 2 + authority.readUInt16BE(at))
}

function counted(bytes: Buffer): Buffer {
  const length = Buffer.alloc(2)
  length.writeUInt16BE(bytes.length)
  return Buffer.concat([length, bytes])
}
