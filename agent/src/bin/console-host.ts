import { hostPty } from '../console/pty-host.ts'

hostPty()
