import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { beforeEach, expect, test } from 'vitest'
import { settingsIn, withoutSecrets } from './environment.ts'
import { FOLDER_KEYS } from './folders.ts'
import { loadSettings } from './load.ts'
import { CLIENT_OPTIONS } from './options.ts'
import { type Places, placesOf } from './places.ts'
import { reasonUnheeded } from './unheeded.ts'

let folder: string
let places: Places

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'ostler-config-'))
  places = {
    ...placesOf({ HOME: folder }),
    systemFiles: [join(folder, 'etc/qvd.conf'), join(folder, 'etc/ostler.conf')],
  }
  return () => rmSync(folder, { recursive: true })
})

function write(file: string | undefined, text: string, mode = 0o600): void {
  if (file === undefined) throw new Error('no such file')
  mkdirSync(dirname(file), { recursive: true })
  writeFileSync(file, text)
  chmodSync(file, mode)
}

/** The file of section 7.6.1 of QVD's manual, as it stands there. */
const MANUAL = `client.link = local
client.geometry = 1024x768
client.fullscreen = 1
client.slave.enable = 1
client.slave.command "/path/to/custom/slave-command"
client.audio.enable = 1
client.printing.enable = 1
client.host.port = 8443
client.host.name = loadbalancer.mydomain.com
client.user.name = guest
client.use_ssl = 1
client.force.host.name = loadbalancer.mydomain.com
client.force.link = local
client.remember_password = 0
client.show.remember_password = 0
client.show.settings = 1
log.level = ALL
client.auth_env_share.enable = 1
client.auth_env.share.list.0 = MYNAME
client.auth_env_share.list.1 = MYCITY
`

test("the file of QVD's manual is read as it stands, and what it says in vain is told", () => {
  write(places.userFiles[0], MANUAL)
  const { config, warnings, shared } = loadSettings(places, { MYNAME: 'Ann', MYCITY: 'Köln', OTHER: 'x' })
  expect(config.values).toMatchObject({
    'client.link': 'local',
    'client.fullscreen': true,
    'client.host.name': 'loadbalancer.mydomain.com',
    'client.user.name': 'guest',
    'client.force.link': 'local',
  })
  expect([...shared]).toEqual([
    ['MYNAME', 'Ann'],
    ['MYCITY', 'Köln'],
  ])
  expect(warnings.map((line) => /: ([\w.]+) is not used: \w/.exec(line)?.[1])).toEqual([
    'client.slave.command',
    'log.level',
  ])
})

test('later wins: system, user, environment, command line', () => {
  write(places.systemFiles[1], 'client.link = lan\nclient.geometry = 640x480\nclient.user.name = guest\n')
  write(places.ownFile, 'client.link = wan\nclient.geometry = 800x600\n')
  const said = { 'client.geometry': { value: '1x1', origin: '--geometry' } }
  expect(() => loadSettings(places, {}, said)).toThrow(
    '--geometry: client.geometry is no size such as 1024x768',
  )
  const { config } = loadSettings(
    places,
    { QVDLOGIN: 'ann' },
    { 'client.geometry': { value: '900x700', origin: '--geometry' } },
  )
  expect(config.values).toMatchObject({ 'client.link': 'wan', 'client.geometry': '900x700' })
  expect(config.origin('client.user.name')).toBe('QVDLOGIN')
})

test('what the system forces stays forced', () => {
  write(places.systemFiles[0], 'client.force.host.name = one\n')
  write(places.ownFile, 'client.force.host.name = two\nclient.force.link = lan\n')
  const { config } = loadSettings(places, {}, { 'client.force.host.name': 'three' })
  expect(config.values['client.force.host.name']).toBe('one')
  expect(config.values['client.force.link']).toBe('lan')
})

test('all problems are told at once, without a password', () => {
  write(places.ownFile, 'client.host.port = 0\nclient.link = a b\nclient.display = tv\n')
  expect(() => loadSettings(places, {})).toThrow(
    /client\.host\.port .*client\.link is no link.*client\.display/,
  )
})

test('a password that others may read is refused', () => {
  write(places.ownFile, 'client.user.password = secret\n', 0o644)
  expect(() => loadSettings(places, {})).toThrow(
    expect.objectContaining({
      code: 'client.exposed',
      detail: { file: places.ownFile, key: 'client.user.password' },
    }),
  )
  chmodSync(places.ownFile, 0o600)
  expect(loadSettings(places, {}).config.values['client.user.password'].reveal()).toBe('secret')
})

test('a key that nobody knows is told with the one that was meant', () => {
  write(places.ownFile, 'client.fulscreen = 1\n')
  expect(loadSettings(places, {}).warnings).toEqual([
    `${places.ownFile}:1: unknown key "client.fulscreen", did you mean "client.fullscreen"?`,
  ])
})

test('a file that is named is read instead of the own ones, and must be there', () => {
  write(places.ownFile, 'client.link = wan\n')
  const other = join(folder, 'other.conf')
  expect(() => loadSettings(places, { QVDCLIENTCONFIG: other })).toThrow(/other\.conf: cannot be read/)
  write(other, 'client.keyboard = pc105/de\n')
  const { values } = loadSettings(places, { QVDCLIENTCONFIG: other }).config
  expect([values['client.link'], values['client.keyboard']]).toEqual(['adsl', 'pc105/de'])
})

test('passwords and tokens of the environment stand for themselves, and no program inherits them', () => {
  const environment = {
    QVDPASSWORD: 'a${b}$$',
    QVDBEARER: Buffer.from('tok').toString('base64'),
    DISPLAY: ':0',
  }
  const { values } = loadSettings(places, environment).config
  expect(values['client.user.password'].reveal()).toBe('a${b}$$')
  expect(values['client.auto_connect.token'].reveal()).toBe('tok')
  expect(withoutSecrets(environment)).toEqual({ DISPLAY: ':0' })
  expect(settingsIn({ QVDHOST: '' })).toEqual({})
})

test("folders of QVD's keys are read in the order of their numbers", () => {
  write(places.systemFiles[0], 'client.share.10 = /media\nclient.share.2 = /old\n')
  write(
    places.ownFile,
    `client.share.2 = ~/My docs
client.mount.1.remote = /srv/data
client.mount.1.local = ~/desk
client.mount.0.remote = Documents
client.mount.0.local = /mnt/docs
client.mount.5.remote = alone
client.share.x = /nothing
client.share.3 =
`,
  )
  const { folders, warnings } = loadSettings(places, {})
  expect(folders).toEqual({
    shares: [`${folder}/My docs`, '/media'],
    mounts: [
      { remote: 'Documents', local: '/mnt/docs' },
      { remote: '/srv/data', local: `${folder}/desk` },
    ],
  })
  expect(warnings).toEqual([
    'client.share.x is not used: it is none of client.share.N, client.mount.N.remote, client.mount.N.local',
    'client.mount.5 is not used: it needs both .remote and .local',
  ])
  write(places.userFiles[0], 'client.file_sharing.enable = 0\n')
  expect(loadSettings(places, {}).folders).toEqual({ shares: [], mounts: [] })
})

test('without a size it is the full screen, as the manual says', () => {
  write(places.ownFile, 'client.geometry =\n')
  expect(loadSettings(places, {}).config.values['client.geometry']).toBeUndefined()
})

/** Every key of QVD's client in its shipped configuration (compatibility page 10.2), and the optional ones beside it. */
const QVD_KEYS = `client.host.name client.host.port client.user.name client.user.password client.use_ssl
  client.force.host.name client.force.link client.remember_password client.remember_username
  client.show.remember_password client.show.settings client.kill_vm.display client.auto_connect
  client.auto_connect.vm_id client.auto_connect.token client.link client.geometry client.fullscreen client.locale
  client.nxproxy.extra_args client.nxagent.extra_args client.audio.enable client.audio.compression.enable
  client.audio.redirect.server client.printing.enable client.file_sharing.enable client.sshfs.extra_args client.share.0
  client.mount.0.remote client.xming.extra_args client.vcxsrv.extra_args client.ssl.use_cert client.ssl.cert_file
  client.ssl.key_file client.ssl.options.SSL_version client.ssl.error_timeout client.client.ssl-errors
  client.ssl.ocsp_mode client.ssl.allow_bad_host client.ssl.allow_revoked client.ssl.allow_untrusted
  client.ssl.allow_expired client.ssl.allow_not_yet_valid client.ssl.allow_insecure_sign_algo
  client.ssl.allow_weak_key client.ssl.allow_unknown_error client.ssl.allow_ocsp_server_failure
  client.ssl.allow_ocsp_error client.slave.enable client.slave.command client.slave.client
  client.slave.debug_commands client.slave.command.qvd-client-slaveclient-usbip client.session_open.command
  client.usb.enable client.usb.implementation client.usb.sudo client.usb.usbip.port client.usb.usbip.debug
  client.usb.usbip.log client.usb.share_all client.usb.share_list client.auth_env_share.enable
  client.darwin.screen_resolution.verified client.darwin.screen_resolution.min
  client.darwin.screen_resolution.low_res_geometry internal.client.xserver.startup.timeout command.nxproxy
  command.usbsrv command.usbclnt command.usbip command.windows.xming client.use.win-sftp-server
  path.client.pixmaps path.usb.database client.log.filename log.level log4perl.appender`
  .split(/\s+/)
  .filter(Boolean)

test.each(QVD_KEYS)("QVD's key %s is heeded, or has a reason", (key) => {
  const heeded = Object.hasOwn(CLIENT_OPTIONS, key) || FOLDER_KEYS.some((prefix) => key.startsWith(prefix))
  expect(heeded || reasonUnheeded(key) !== undefined).toBe(true)
  expect(reasonUnheeded(key) ?? 'heeded').not.toBe('')
})
