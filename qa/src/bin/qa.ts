import { lastSentence } from '@ostler/contract/fault.ts'
import { runMain } from '@ostler/kit/service.ts'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline/promises'
import { text } from 'node:stream/consumers'
import { apiClient } from '../api-client.ts'
import { askHidden } from '../ask-hidden.ts'
import { runCommand } from '../commands.ts'
import { logIn, logOut, readLogin } from '../login.ts'
import { isTunnelCommand, runTunnelCommand } from '../tunnel/commands.ts'

const USAGE = `qa: administer Ostler.

usage: qa tenant add name=NAME
       qa user   add login=NAME [password=-] [tenant=NAME] [role=user|power|support]
       qa user   passwd user=LOGIN [tenant=NAME]          asks for the password, or reads it from standard input
       qa osf    add name=NAME [memory=MB] [cpus=N] [application=1]     a flavour
       qa di     add osf=FLAVOUR|osf_id=N path=PATH [name=NAME] [version=VERSION] [sha256=HASH]
                 path=NAME: in the staging folder; path=./FILE: of this machine, sent; path=/PATH: of the nodes
                 [kind=instant|directory|tarball|squashfs|qcow2] [expire-soft=TIME] [expire-hard=TIME]
       qa vm     add name=NAME user=LOGIN|user_id=N osf=FLAVOUR|osf_id=N [tenant=NAME] [ip=ADDRESS] [di_tag=TAG] [bulk=N]
       qa vm     start|stop|disconnect|explain -f name=NAME
       qa vm|osf del -f name=NAME                         the home is kept in the trash
       qa user   del -f login=LOGIN[,tenant=NAME]         with her desktops; her homes are kept in the trash
       qa osf    edit -f name=NAME user_storage_size=MB   what homes may hold; 0: no limit
       qa home   list | del|purge -f id=N
       qa home   restore -f id=N [user=LOGIN] [osf=NAME] [tenant=NAME]
       qa home   adopt user=LOGIN osf=NAME [tenant=NAME] [path=PATH] [kind=directory|image|raw|qcow2]
       qa vm     reset -f name=NAME                       a failed desktop may start again
       qa vm     console NAME|ID [user=ACCOUNT]           a login shell, root's; left by ~. at the begin of a line
       qa vm     ssh NAME|ID [-- WORDS FOR SSH …]
       qa vm     vnc NAME|ID                              the session of whoever works there, who is asked first
       qa vm     tunnel NAME|ID kind=ssh|serial|support   on standard input and output
       qa user   block|unblock -f login=LOGIN[,tenant=NAME]
       qa tenant|host|di|vm block|unblock -f name=NAME
       qa host|osf|di|user|vm propget [-f FILTER] [KEY …] | propset [-f FILTER] KEY=VALUE … | propdel [-f FILTER] KEY …
       qa tenant|user|group|host|osf|di|vm|policy list
       qa host|vm counters
       qa di     roll-out di=NAME [tag=TAG] [canary=5%] [wave=100%] [pause=10m] [soft=TIME] [hard=TIME]
                 [idle=restart|wait] [stop-on=1]           previews; says how it is begun
       qa job    list | show|run|pause|resume|stop -f id=NUMBER [--watch]
       qa group  add name=NAME [tenant=NAME] | join|leave -f name=NAME[,tenant=NAME] user=LOGIN | del -f name=NAME
       qa tenant edit -f name=NAME name=NAME | del -f name=NAME
       qa osf    edit -f name=NAME [max_desktops=N] [max_per_user=N] [net_in=KBIT] [net_out=KBIT]
                 [disk_iops=N] [disk_rate=KBYTES] [slo_seconds=N] [slo_percent=98]
       qa policy add name=NAME [position=N] [tenant= user= group= role= osf= vm= from=CIDR,…]
                 [use=yes|no displays=nx,rfb clipboard=none|in|out|both folders=off|ro|rw roots=PATH,…
                 ports= printing= audio= usb=yes|no quota=N]
       qa policy del -f name=NAME
       qa doctor [-f name=DESKTOP]                        every hop from a client to a display: what failed, what to do
       qa slo    [-f name=FLAVOUR] [days=30]              what flavours promise of starts, what was kept, what took the time
       qa backup now|list                                 a verified copy of the database, in path.backup
       qa notice list                                     what administrators were told
       qa host   add name=NODENAME [address=ADDRESS]      before another node starts with this database
       qa host   del -f name=NODENAME                     one that is at rest and has nothing of anybody
       qa config get|del [KEY …] [tenant=NAME] [--origin]
       qa config list [tenant=NAME]                       every key, and where its value comes from
       qa config set KEY=VALUE … [tenant=NAME]            says what does not count at once
       qa config doctor                                   keys that are set and not used, and why
       qa config import FILE [tenant.NUMBER=NAME …] [--apply]    a QVD's node.conf, or a dump of its table configs
       qa import qvd host=HOST [port=N] [database=NAME] [user=NAME] [password=-] [--apply]
       qa import kvm-vdi DUMP|- [--apply]
                 what a whole QVD 3.x or 4.x becomes here; nothing is written there
       qa config ssl [key=FILE cert=FILE [ca=FILE] [crl=FILE] | del]    the certificate of all doors

       qa administrator init [name=NAME]                  the first one: on a node, before there is any
       qa administrator list | add name=NAME role=ROLE [tenant=NAME] | invite|block|unblock|del -f name=NAME
       qa token  list | add name=NAME [administrator=NAME] [scope=desktop.*,user.see] [days=90] | del -f id=N
       qa audit  list [--limit=N]                         who did what
       qa login  url=https://NODE:9443 code=- [fingerprint=SHA256] | qa logout

lists, and actions on things that there are, take filters: -f name=al*,state=running (also =, !=, <, >, <=, >=, a|b, - for empty).
options: -f|-F|--filter F  -t|--tenant T  --force  -q|--quiet  --json  --csv  --columns=A,B  --sort=-A,B  --limit=N  --watch
docs/qa.md has everything.

A value of - is read from standard input.
The api is at the socket OSTLER_API_SOCKET, else where qa login has said (OSTLER_QA_LOGIN, ~/.config/ostler/qa.json), else at
/run/ostler/api/api.sock.`
const DEFAULT_SOCKET = '/run/ostler/api/api.sock'

async function main(): Promise<void> {
  const words = process.argv.slice(2)
  if (words.length === 0) return void console.log(USAGE)
  if (asksForHelp(words)) return void console.log(helpOf(words))
  warnOfPassword(words)
  const { OSTLER_API_SOCKET: socket, OSTLER_QA_LOGIN } = process.env
  const file = OSTLER_QA_LOGIN ?? join(homedir(), '.config/ostler/qa.json')
  const [command = '', ...rest] = words
  if (command === 'logout') return void logOut(file)
  if (command === 'login') return void console.log(await logIn(await pairsOf(rest), file))
  const api = apiClient(socket ?? readLogin(file) ?? DEFAULT_SOCKET)
  if (isTunnelCommand(words)) {
    const terminal = { input: process.stdin, output: process.stdout, notes: process.stderr }
    const self = { argv: [process.execPath, process.argv[1] ?? ''] }
    process.exitCode = await runTunnelCommand(words, { api, terminal, self, env: process.env })
    // Standard input that is not at its end would keep us.
    return void process.stdin.destroy()
  }
  await runCommand(words, api, {
    print: (line) => console.log(line),
    readInput: () => text(process.stdin),
    ...(process.stdin.isTTY ? { confirm, ask: askHidden } : {}),
    ...(process.stderr.isTTY ? { progress } : {}),
  })
}

/** As in QVD, help may be asked for before and behind a command; what follows `--` is for another program. */
function asksForHelp(words: readonly string[]): boolean {
  const end = words.indexOf('--')
  return words.slice(0, end === -1 ? undefined : end).some((word) => word === '--help' || word === '-h')
}

/** The lines of the usage about an object, if the words name one; else all of it. */
function helpOf(words: readonly string[]): string {
  const object = words.find((word) => /^\w+$/.test(word))
  if (object === undefined) return USAGE
  const said = USAGE.split('\n')
  const isOf = (line: string): boolean =>
    (/^(?:usage:)? +qa +(\S+)/.exec(line)?.[1] ?? '').split('|').includes(object)
  // What goes on in the next line is further in.
  const lines = said.filter(
    (line, index) =>
      isOf(line) ||
      (/^ {12,}/.test(line) && isOf(said.slice(0, index).findLast((before) => / qa /.test(before)) ?? '')),
  )
  return lines.length === 0 ? USAGE : lines.map((line) => line.replace(/^usage:/, '      ')).join('\n')
}

/** What stands in a command line is seen by everybody on the machine, for as long as it can be. */
function warnOfPassword(words: readonly string[]): void {
  if (!words.some((word) => /^(?:password|code)=(?!-$)./.test(word))) return
  process.title = 'qa'
  console.error(
    'warning: others on this machine can read a command line: write password=- and give it on standard input',
  )
}

async function pairsOf(words: readonly string[]): Promise<Record<string, string>> {
  const pairs = Object.fromEntries(
    words.map((word) => [word.split('=', 1)[0] ?? '', word.slice(word.indexOf('=') + 1)]),
  )
  return pairs['code'] === '-' ? { ...pairs, code: (await text(process.stdin)).trim() } : pairs
}

/** One line that is written over. */
function progress(line: string | undefined): void {
  process.stderr.write(`\r\x1b[K${line?.slice(0, process.stderr.columns - 1) ?? ''}`)
}

async function confirm(question: string): Promise<boolean> {
  const terminal = createInterface({ input: process.stdin, output: process.stderr })
  try {
    return /^y(es)?$/i.test((await terminal.question(question)).trim())
  } finally {
    terminal.close()
  }
}

runMain(main, lastSentence)
