# Installs or removes the Capstan client @VERSION@. NOT TESTED on Windows. Every step may be repeated.
[CmdletBinding()]
param(
    # What the site gave: default install.capstan beside this script.
    [string]$File = (Join-Path $PSScriptRoot 'install.capstan'),
    [switch]$Uninstall,
    # With -Uninstall: the device's keys stay, so that a later installation is the same client.
    [switch]$KeepId
)
$ErrorActionPreference = 'Stop'
$task = 'Capstan Client'
$home_ = Join-Path $env:ProgramFiles 'Capstan Client'
$data = Join-Path $env:ProgramData 'Capstan Client'
$program = Join-Path $home_ 'capstan-client.exe'

$me = New-Object Security.Principal.WindowsPrincipal([Security.Principal.WindowsIdentity]::GetCurrent())
if (-not $me.IsInRole([Security.Principal.WindowsBuiltInRole]::Administrator)) {
    Write-Error 'install.ps1 needs an administrator: it writes to Program Files and ProgramData and registers a task that runs as SYSTEM.' -ErrorAction Continue
    exit 5
}

function Stop-Client {
    if (Get-ScheduledTask -TaskName $task -ErrorAction SilentlyContinue) {
        Stop-ScheduledTask -TaskName $task
        Unregister-ScheduledTask -TaskName $task -Confirm:$false
    }
    Get-Process -Name 'capstan-client' -ErrorAction SilentlyContinue | Where-Object { $_.Path -eq $program } | ForEach-Object { $_.Kill(); $_.WaitForExit() }
}

if ($Uninstall) {
    Stop-Client
    if (Test-Path $program) {
        $words = @('uninstall', '--data', $data)
        if ($KeepId) { $words += '--keep-id' }
        & $program @words
        if ($LASTEXITCODE -notin 0, 4) { exit $LASTEXITCODE } # 4: there was no client
    }
    if (Test-Path $home_) { Remove-Item -Recurse -Force $home_ }
    exit 0
}

if (-not (Test-Path $File)) {
    Write-Error "there is no $File: ``capstan client package`` makes it; put it beside this script, or name it with -File." -ErrorAction Continue
    exit 2
}
Stop-Client
New-Item -ItemType Directory -Force $home_, $data | Out-Null
# S-1-5-18 is the system, S-1-5-32-544 the administrators, in every language.
& icacls $data /inheritance:r /grant '*S-1-5-18:(OI)(CI)F' '*S-1-5-32-544:(OI)(CI)F' | Out-Null
if ($LASTEXITCODE -ne 0) { exit 1 }
Get-ChildItem $PSScriptRoot -File | Where-Object { $_.Name -notin 'install.ps1', 'README.txt', 'install.capstan' } | Copy-Item -Destination $home_ -Force
& $program install --file $File --data $data
if ($LASTEXITCODE -ne 0) { exit $LASTEXITCODE }
$action = New-ScheduledTaskAction -Execute $program -Argument "run --data `"$data`""
$settings = New-ScheduledTaskSettingsSet -Priority 7 -RestartCount 999 -RestartInterval (New-TimeSpan -Minutes 1) -ExecutionTimeLimit ([TimeSpan]::Zero) -AllowStartIfOnBatteries -DontStopIfGoingOnBatteries
Register-ScheduledTask -TaskName $task -Action $action -Trigger (New-ScheduledTaskTrigger -AtStartup) -Settings $settings -User 'S-1-5-18' -RunLevel Highest -Force | Out-Null
Start-ScheduledTask -TaskName $task
