// Serves one folder of this machine by SFTP on standard input and output: FOLDER rw|ro.
// A process of its own, so that a slow disk holds up neither the display nor a sign of life.
import { serveSftp, SftpServer } from '../folders/sftp/sftp-server.ts'

const [root = '.', access] = process.argv.slice(2)
using server = new SftpServer(root, access !== 'rw')
serveSftp(server, 0, 1)
