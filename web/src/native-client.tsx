import { phrases } from './shared/language.ts'

const say = phrases({
  title: ['With a program instead of the browser', 'Con un programa en lugar del navegador'],
  how: [
    'The program ostler (Debian: package ostler-client) opens a desktop in a window of its own, with your folders, printers and sound. Without a password: --pair, and confirm the code under "Pair a device".',
    'El programa ostler (Debian: paquete ostler-client) abre un escritorio en una ventana propia, con sus carpetas, impresoras y sonido. Sin contraseña: --pair, y confirme el código en «Emparejar un dispositivo».',
  ],
})

/** What somebody types who has a client of her own: everything that it has to be told. */
export function NativeClient({ login }: { readonly login: string }) {
  const port = location.port === '' ? '443' : location.port
  return (
    <details class="native">
      <summary>{say('title')}</summary>
      <p>{say('how')}</p>
      <code>
        ostler connect {location.hostname} --port {port} -u {login}
      </code>
    </details>
  )
}
