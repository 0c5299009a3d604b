/** What one installer is made of. */
export interface InstallerFacts {
  readonly version: string
  /** The GUID of this very content. */
  readonly product: string
}

/** What lies in the program's folder; the first two are the service and what it runs. */
export const FILES = [
  'ostler-vma.exe',
  'node.exe',
  'vma.cjs',
  'setup.cjs',
  'LICENSES.txt',
  'sbom.cdx.json',
  'windows.md',
  'vma.conf.md',
] as const

/** The same for all versions: by it an installer finds the version of before. */
export const UPGRADE_CODE = '6E0B5C0E-2C1C-4C0B-9C53-7C8A1F6D2E41'

/** What a component is known by, in all versions. */
const COMPONENT_CODES = {
  data: 'B7D1D6B4-3B0E-4B7A-8E55-0F3B7A2C9D10',
  log: 'B7D1D6B4-3B0E-4B7A-8E55-0F3B7A2C9D11',
  run: 'B7D1D6B4-3B0E-4B7A-8E55-0F3B7A2C9D12',
  boot: 'B7D1D6B4-3B0E-4B7A-8E55-0F3B7A2C9D13',
  hooks: 'B7D1D6B4-3B0E-4B7A-8E55-0F3B7A2C9D14',
  registry: 'B7D1D6B4-3B0E-4B7A-8E55-0F3B7A2C9D15',
} as const

/** The system and administrators have everything, and nobody else has anything; what is made inside is the same. */
const PRIVATE = 'O:SYG:SYD:P(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)'

/** Where an installer finds the folder that the version of before was told. */
const KEY = 'Software\\Ostler\\Agent'
const SAME_FOLDER = 'USEDFOLDER AND NOT INSTALLDIR'

/** A path that ends in a backslash would take the quote behind it along. */
const DATA = '[DataFolder].'

/** The installer as wixl reads it, with the files in `stage` beside it. */
export function wixSource({ version, product }: InstallerFacts): string {
  const components = FILES.map(fileComponent).join('')
  const folder = (id: keyof typeof COMPONENT_CODES, directory: string): string =>
    `<Component Id="${id}" Guid="${COMPONENT_CODES[id]}" Win64="yes">` +
    `<CreateFolder /><RemoveFolder Id="${directory}" On="uninstall" /></Component>`
  const refs = [...FILES.map(idOf), ...Object.keys(COMPONENT_CODES)]
  const action = (id: string, words: string, when: string): string =>
    `<CustomAction Id="${id}" FileKey="node.exe" Execute="${when}" Impersonate="no" Return="${when === 'rollback' ? 'ignore' : 'check'}" ` +
    `ExeCommand="${xml(`"[INSTALLDIR]setup.cjs" ${words} --data "${DATA}"`)}" />`
  return `<?xml version="1.0" encoding="utf-8"?>
<Wix xmlns="http://schemas.microsoft.com/wix/2006/wi">
<Product Id="${product}" UpgradeCode="${UPGRADE_CODE}" Name="Ostler agent" Version="${version}" Manufacturer="Ostler" Language="1033">
<Package InstallerVersion="500" Compressed="yes" InstallScope="perMachine"
  Description="Agent inside a virtual desktop of Ostler" Comments="Apache-2.0" />
<Upgrade Id="${UPGRADE_CODE}">
<UpgradeVersion Property="NEWER" Minimum="${version}" IncludeMinimum="no" OnlyDetect="yes" />
<UpgradeVersion Property="OLDER" Minimum="0.0.0" Maximum="${version}" />
</Upgrade>
<Condition Message="A newer version of the Ostler agent is installed already.">NOT NEWER</Condition>
<Media Id="1" Cabinet="agent.cab" EmbedCab="yes" />
<Condition Message="The Ostler agent needs Windows 10, Windows Server 2016 or newer.">Installed OR VersionNT64 &gt;= 603</Condition>
<Property Id="PORT" Value="3030" />
<Property Id="FIREWALL" Value="1" />
<Property Id="ARPNOMODIFY" Value="1" />
<Property Id="USEDFOLDER"><RegistrySearch Id="folder" Root="HKLM" Key="${KEY}" Name="InstallDir" Type="raw" /></Property>
<CustomAction Id="SameFolder" Property="INSTALLDIR" Value="[USEDFOLDER]" />
<Directory Id="TARGETDIR" Name="SourceDir">
<Directory Id="ProgramFiles64Folder"><Directory Id="INSTALLDIR" Name="Ostler">${components}
<Component Id="registry" Guid="${COMPONENT_CODES.registry}" Win64="yes">
<RegistryValue Root="HKLM" Key="${KEY}" Name="InstallDir" Type="string" Value="[INSTALLDIR]" KeyPath="yes" /></Component>
<Directory Id="HookFolder" Name="hooks">${folder('hooks', 'HookFolder')}</Directory>
</Directory></Directory>
<Directory Id="CommonAppDataFolder"><Directory Id="DataFolder" Name="Ostler">${folder('data', 'DataFolder')}
<Directory Id="LogFolder" Name="log">${folder('log', 'LogFolder')}</Directory>
<Directory Id="RunFolder" Name="run">${folder('run', 'RunFolder')}</Directory>
<Directory Id="BootFolder" Name="boot">${folder('boot', 'BootFolder')}</Directory>
</Directory></Directory>
</Directory>
${action('SetUp', 'up --port "[PORT]" --firewall "[FIREWALL]"', 'deferred')}
${action('UndoSetUp', 'down', 'rollback')}
${action('TakeDown', 'down', 'deferred')}
<Feature Id="Agent" Level="1">${refs.map((id) => `<ComponentRef Id="${id}" />`).join('')}</Feature>
<InstallExecuteSequence>
<RemoveExistingProducts After="InstallValidate" />
<Custom Action="SameFolder" After="AppSearch">${SAME_FOLDER}</Custom>
<Custom Action="UndoSetUp" After="InstallFiles">NOT Installed AND NOT OLDER</Custom>
<Custom Action="SetUp" After="UndoSetUp">NOT Installed</Custom>
<Custom Action="TakeDown" After="DeleteServices">REMOVE="ALL" AND NOT UPGRADINGPRODUCTCODE</Custom>
</InstallExecuteSequence>
</Product></Wix>
`
}

/** What wixl cannot say, as changes of the tables that it has made. */
export function corrections({ version }: InstallerFacts): string[] {
  const at = (action: string, sequence: number): string =>
    `UPDATE \`InstallExecuteSequence\` SET \`Sequence\` = ${sequence} WHERE \`Action\` = '${action}'`
  const locked = { data: 'DataFolder', log: 'LogFolder', run: 'RunFolder', boot: 'BootFolder' }
  return [
    // Files of the version of before are gone before ours come; the installation of ours has not begun then.
    at('RemoveExistingProducts', 1450),
    at('SameFolder', 60),
    // With a window the folders are settled before the other sequence begins.
    `INSERT INTO \`InstallUISequence\` (\`Action\`, \`Condition\`, \`Sequence\`) VALUES ('SameFolder', '${SAME_FOLDER}', 60)`,
    // 2: a value as it stands; 16: of the registry of 64 bits.
    "UPDATE `RegLocator` SET `Type` = 18 WHERE `Signature_` = 'folder'",
    at('TakeDown', 2500),
    at('UndoSetUp', 4400),
    at('SetUp', 4500),
    // Sealing an image: START=0 leaves the service to the next boot.
    "UPDATE `InstallExecuteSequence` SET `Condition` = 'VersionNT AND NOT START = \"0\"' WHERE `Action` = 'StartServices'",
    // Another build of the same version takes the place of the one that is there: 256 and 512 include both ends.
    "DELETE FROM `Upgrade` WHERE `ActionProperty` = 'OLDER'",
    // The feature is named because Wine does not set UPGRADINGPRODUCTCODE: it would take the removal for one that is for good.
    'INSERT INTO `Upgrade` (`UpgradeCode`, `VersionMin`, `VersionMax`, `Attributes`, `Remove`, `ActionProperty`) ' +
      `VALUES ('{${UPGRADE_CODE}}', '0.0.0', '${version}', 768, 'Agent', 'OLDER')`,
    'CREATE TABLE `MsiLockPermissionsEx` (`MsiLockPermissionsEx` CHAR(72) NOT NULL, `LockObject` CHAR(72) NOT NULL, ' +
      '`Table` CHAR(32) NOT NULL, `SDDLText` CHAR(255) NOT NULL, `Condition` CHAR(255) PRIMARY KEY `MsiLockPermissionsEx`)',
    ...Object.entries(locked).map(
      ([id, directory]) =>
        'INSERT INTO `MsiLockPermissionsEx` (`MsiLockPermissionsEx`, `LockObject`, `Table`, `SDDLText`) ' +
        `VALUES ('${id}', '${directory}', 'CreateFolder', '${PRIVATE}')`,
    ),
  ]
}

function fileComponent(name: (typeof FILES)[number]): string {
  const service =
    name === 'ostler-vma.exe'
      ? `<ServiceInstall Id="service" Name="ostler-vma" DisplayName="Ostler agent" Type="ownProcess" Start="auto" ErrorControl="normal" ` +
        `Description="Starts desktops for users, and answers to the node." Arguments="${xml(`"${DATA}"`)}" />` +
        `<ServiceControl Id="service" Name="ostler-vma" Start="install" Stop="both" Remove="uninstall" Wait="yes" />`
      : ''
  return (
    `<Component Id="${idOf(name)}" Guid="*" Win64="yes">` +
    `<File Id="${idOf(name)}" Name="${name}" Source="stage/${name}" KeyPath="yes" />${service}</Component>\n`
  )
}

/** Names of rows have no hyphens. */
function idOf(name: string): string {
  return name.replaceAll('-', '_')
}

function xml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;')
}
