/*
 * The service of the agent: what Windows' service manager starts, because Node cannot answer it.
 *
 * It runs `node.exe vma.cjs` beside itself and starts it again when it ends. The agent's standard input is a pipe whose end
 * tells it to stop; what it writes goes to log\service.log of the data folder, which is our one argument. It and what it has
 * started are one job, so nothing of it stays behind. See docs/decisions/0083.
 */
#define WINVER 0x0A00
#define _WIN32_WINNT 0x0A00
#include <windows.h>
#include <wchar.h>

#define SERVICE L"ostler-vma"
/* Characters. A folder may have half of it, so that our own names always have room behind. */
#define ROOM 33000
#define START_AGAIN_MS 1000
/* Less than the 20 s after which Windows, halting, ends a service itself; the agent gives its own connections 5 s. */
#define STOP_MS 10000
#define LOG_BYTES (1024 * 1024)

static SERVICE_STATUS_HANDLE manager;
static HANDLE asked; /* set when somebody wants the service to stop */
static const wchar_t *data; /* the folder of the agent's configuration, logs and state */

static void tell(DWORD state, DWORD failure)
{
    SERVICE_STATUS status = {0};
    status.dwServiceType = SERVICE_WIN32_OWN_PROCESS;
    status.dwCurrentState = state;
    status.dwWin32ExitCode = failure;
    if (state == SERVICE_RUNNING)
        status.dwControlsAccepted = SERVICE_ACCEPT_STOP | SERVICE_ACCEPT_SHUTDOWN;
    if (state == SERVICE_STOP_PENDING)
        status.dwWaitHint = STOP_MS + 2000;
    SetServiceStatus(manager, &status);
}

static DWORD WINAPI hear(DWORD control, DWORD type, LPVOID event, LPVOID context)
{
    (void)type, (void)event, (void)context;
    if (control == SERVICE_CONTROL_INTERROGATE)
        return NO_ERROR;
    if (control != SERVICE_CONTROL_STOP && control != SERVICE_CONTROL_SHUTDOWN)
        return ERROR_CALL_NOT_IMPLEMENTED;
    tell(SERVICE_STOP_PENDING, NO_ERROR);
    SetEvent(asked);
    return NO_ERROR;
}

/* The folder that we lie in, without its last backslash; FALSE when it has no room. */
static BOOL own_folder(wchar_t *folder)
{
    DWORD length = GetModuleFileNameW(NULL, folder, ROOM / 2);
    wchar_t *last = wcsrchr(folder, L'\\');
    if (length == 0 || length >= ROOM / 2 || last == NULL)
        return FALSE;
    *last = 0;
    return TRUE;
}

/* Where the agent's output goes, inheritable. Beyond its size the file of before is kept under another name. */
static HANDLE open_log(void)
{
    static wchar_t path[ROOM], kept[ROOM];
    SECURITY_ATTRIBUTES inherited = {sizeof inherited, NULL, TRUE};
    WIN32_FILE_ATTRIBUTE_DATA facts;
    _snwprintf(path, ROOM, L"%ls\\log\\service.log", data);
    _snwprintf(kept, ROOM, L"%ls\\log\\service.log.1", data);
    if (GetFileAttributesExW(path, GetFileExInfoStandard, &facts) && facts.nFileSizeLow > LOG_BYTES)
        MoveFileExW(path, kept, MOVEFILE_REPLACE_EXISTING);
    return CreateFileW(path, FILE_APPEND_DATA, FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE, &inherited,
                       OPEN_ALWAYS, FILE_ATTRIBUTE_NORMAL, NULL);
}

/* Runs the agent until it ends or somebody asks. An error of Windows' when it could not be started. */
static DWORD run_once(const wchar_t *folder, HANDLE job)
{
    static wchar_t program[ROOM], command[ROOM];
    SECURITY_ATTRIBUTES inherited = {sizeof inherited, NULL, TRUE};
    STARTUPINFOW start = {0};
    PROCESS_INFORMATION agent;
    HANDLE input, lifeline, output = open_log();
    DWORD failure = NO_ERROR;
    HANDLE both[2];

    if (!CreatePipe(&input, &lifeline, &inherited, 0)) {
        failure = GetLastError();
        if (output != INVALID_HANDLE_VALUE)
            CloseHandle(output);
        return failure;
    }
    SetHandleInformation(lifeline, HANDLE_FLAG_INHERIT, 0); /* or its end would never be seen */
    _snwprintf(program, ROOM, L"%ls\\node.exe", folder);
    _snwprintf(command, ROOM, L"node.exe --max-semi-space-size=1 \"%ls\\vma.cjs\"", folder);
    start.cb = sizeof start;
    start.dwFlags = STARTF_USESTDHANDLES;
    start.hStdInput = input;
    start.hStdOutput = start.hStdError = output;
    if (!CreateProcessW(program, command, NULL, NULL, TRUE, CREATE_SUSPENDED | CREATE_NO_WINDOW, NULL, folder, &start,
                        &agent))
        failure = GetLastError();
    CloseHandle(input);
    if (output != INVALID_HANDLE_VALUE)
        CloseHandle(output);
    if (failure != NO_ERROR) {
        CloseHandle(lifeline);
        return failure;
    }
    /* Before its first instruction, so that nothing it starts is outside of the job. */
    if (!AssignProcessToJobObject(job, agent.hProcess)) {
        failure = GetLastError();
        TerminateProcess(agent.hProcess, 1);
    } else
        ResumeThread(agent.hThread);
    both[0] = agent.hProcess;
    both[1] = asked;
    WaitForMultipleObjects(2, both, FALSE, INFINITE);
    CloseHandle(lifeline);
    WaitForSingleObject(agent.hProcess, STOP_MS);
    TerminateJobObject(job, 1); /* what it has left behind, and itself when it hangs */
    CloseHandle(agent.hThread);
    CloseHandle(agent.hProcess);
    return failure;
}

static void WINAPI serve(DWORD count, LPWSTR *words)
{
    static wchar_t folder[ROOM];
    JOBOBJECT_EXTENDED_LIMIT_INFORMATION limits = {0};
    DWORD failure = NO_ERROR;
    HANDLE job;

    (void)count, (void)words;
    asked = CreateEventW(NULL, TRUE, FALSE, NULL);
    job = CreateJobObjectW(NULL, NULL);
    manager = RegisterServiceCtrlHandlerExW(SERVICE, hear, NULL);
    if (manager == NULL)
        return;
    limits.BasicLimitInformation.LimitFlags = JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE;
    if (asked == NULL || job == NULL || !own_folder(folder) ||
        !SetInformationJobObject(job, JobObjectExtendedLimitInformation, &limits, sizeof limits)) {
        tell(SERVICE_STOPPED, ERROR_SERVICE_NOT_ACTIVE);
        return;
    }
    tell(SERVICE_RUNNING, NO_ERROR);
    do
        failure = run_once(folder, job);
    while (failure == NO_ERROR && WaitForSingleObject(asked, START_AGAIN_MS) == WAIT_TIMEOUT);
    CloseHandle(job);
    tell(SERVICE_STOPPED, failure);
}

int wmain(int count, wchar_t **words)
{
    SERVICE_TABLE_ENTRYW services[] = {{SERVICE, serve}, {NULL, NULL}};

    if (count != 2 || wcslen(words[1]) >= ROOM / 2)
        return ERROR_INVALID_PARAMETER;
    data = words[1];
    SetEnvironmentVariableW(L"OSTLER_DATA", data); /* for the agent */
    return StartServiceCtrlDispatcherW(services) ? 0 : (int)GetLastError();
}
