import { Command } from 'commander'
import { arch, platform, release } from 'node:os'
import { CLIENT_VERSION } from '../version.ts'
import type { Workplace } from './workplace.ts'

export function versionCommand({ terminal }: Workplace): Command {
  return new Command('version').description('print the version, and that of what it runs on').action(() => {
    terminal.print(`ostler ${CLIENT_VERSION}`)
    terminal.print(`Node ${process.versions.node}, OpenSSL ${process.versions.openssl}`)
    terminal.print(`${platform()} ${release()} ${arch()}`)
  })
}
