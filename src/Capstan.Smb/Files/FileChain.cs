using System.Runtime.CompilerServices;
using Capstan.Smb.Connection;
using Capstan.Smb.Wire;

namespace Capstan.Smb.Files;

/// <summary>What becomes of a file that was opened for something that then failed or was given up.</summary>
internal enum Leftover
{
    Stays,
    /// <summary>Through the handle, never by name: others may give the name to a file of theirs in between.</summary>
    GoesByHandle,
    /// <summary>By a name that is nobody else's, never through the handle: a rename that was under way may have made it the final file's.</summary>
    GoesByName,
}

/// <summary>Opens a file, does a few things with it, and closes it: in one round trip where the server takes related requests ([MS-SMB2] 3.2.4.1.4),
/// else one after the other.</summary>
/// <remarks>Servers differ in what they do with the requests behind one that failed, so nothing may stand there that must not happen then: no rename behind a write.
/// The handle is closed when this returns or throws, whatever failed, except by <see cref="OpenAsync"/>.</remarks>
internal sealed class FileChain : IDisposable
{
    private readonly SmbTree _tree;
    private readonly string _path;
    private readonly Leftover _leftover;
    private readonly Response?[] _answers;
    private NtStatus _failed;

    private FileChain(SmbTree tree, string path, Leftover leftover, int steps)
    {
        _tree = tree;
        _path = path;
        _leftover = leftover;
        _answers = new Response?[steps];
    }

    /// <summary>What CREATE answered; an error means that nothing else happened.</summary>
    public NtStatus Opened { get; private set; }

    public CreateResponse File { get; private set; }

    /// <summary>Status of a step; for one that was never made, that of the step before it which failed.</summary>
    public NtStatus this[int step] => _answers[step]?.Status ?? _failed;

    public ReadOnlySpan<byte> Message(int step) => _answers[step]!.Value.Message;

    /// <summary>Opens, runs the steps, closes.</summary>
    /// <param name="steps">The requests between open and close, for a file id.</param>
    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    public static async ValueTask<FileChain> RunAsync(SmbTree tree, string path, SmbOpen how, Func<FileId, SmbRequest[]> steps, CancellationToken cancellationToken)
    {
        var chain = await OpenAsync(tree, path, how, file => [.. steps(file), new CloseRequest(file)], Leftover.Stays, cancellationToken);
        try
        {
            // A close behind a step that failed may have failed with it; then the handle is open still.
            if (!chain.Opened.IsError && chain[chain._answers.Length - 1].IsError)
                await chain.CloseAsync(cancellationToken);
            return chain;
        }
        catch
        {
            Later(tree, path, chain.File.FileId, Leftover.Stays);
            chain.Dispose();
            throw;
        }
    }

    /// <summary>Opens and runs the steps; closing is the caller's.</summary>
    /// <param name="leftover">What becomes of a file that this opened when the caller gives up or the server does not answer in time. The handle is closed then in any case.</param>
    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    public static async ValueTask<FileChain> OpenAsync(SmbTree tree, string path, SmbOpen how, Func<FileId, SmbRequest[]> steps, Leftover leftover,
        CancellationToken cancellationToken)
    {
        var create = new CreateRequest(tree.WirePath(path), how);
        SmbRequest[] related = [create, .. steps(FileId.FromChain)];
        var chain = new FileChain(tree, path, leftover, related.Length - 1);
        try
        {
            var connection = tree.Connection;
            // A close among the steps may fail with a step that was cancelled: who gives up leaves the handle to this in any case.
            void Undo(Response late)
            {
                using (late)
                    Later(tree, path, CreateResponse.Read(late.Message).FileId, leftover);
            }
            if (related.Length > 1 && connection.Compounds && connection.CanAfford(related))
            {
                var answers = await connection.ChainAsync(tree.Route, related, Undo, cancellationToken);
                chain.Take(answers);
                await chain.RepairAsync(steps, cancellationToken);
            }
            else
            {
                using var answer = await connection.CallAsync(tree.Route, create, Undo, cancellationToken);
                chain.TakeOpened(answer);
                if (!chain.Opened.IsError)
                    await chain.StepsAsync(steps(chain.File.FileId), from: 0, cancellationToken);
            }
            return chain;
        }
        catch
        {
            chain.Dispose();
            throw;
        }
    }

    /// <summary>Closes by file id, when the steps did not.</summary>
    public async ValueTask CloseAsync(CancellationToken cancellationToken)
    {
        using var answer = await _tree.Connection.CallAsync(_tree.Route, new CloseRequest(File.FileId), orphaned: null, cancellationToken);
        if (answer.Status.IsError && answer.Status != NtStatus.FileClosed)
            throw SmbException.Of(answer.Status, SmbCommand.Close, $"closing {_tree.Show(_path)}");
    }

    public void Dispose()
    {
        for (var i = 0; i < _answers.Length; i++)
        {
            _answers[i]?.Dispose();
            _answers[i] = null;
        }
    }

    private void Take(Response[] answers)
    {
        for (var i = 1; i < answers.Length; i++)
            _answers[i - 1] = answers[i];
        using (answers[0])
            TakeOpened(answers[0]);
    }

    private void TakeOpened(Response answer)
    {
        Opened = answer.Status;
        if (Opened.IsError)
            _failed = Opened;
        else
            File = CreateResponse.Read(answer.Message);
    }

    /// <summary>A server that opened the file and refuses the requests behind it does not know compounds: the rest is done one by one, now and from now on.</summary>
    private async ValueTask RepairAsync(Func<FileId, SmbRequest[]> steps, CancellationToken cancellationToken)
    {
        if (Opened.IsError || _answers.Length == 0 || !_answers[^1]!.Value.Status.IsError)
            return;
        var first = Array.FindIndex(_answers, answer => answer!.Value.Status.IsError);
        if (!IsRefusal(_answers[first]!.Value.Status))
            return;
        for (var i = first; i < _answers.Length; i++)
        {
            _answers[i]?.Dispose();
            _answers[i] = null;
        }
        await StepsAsync(steps(File.FileId), first, cancellationToken);
        if (!this[first].IsError)
            _tree.Connection.Compounds = false;
    }

    private async ValueTask StepsAsync(SmbRequest[] requests, int from, CancellationToken cancellationToken)
    {
        try
        {
            for (var i = from; i < requests.Length; i++)
            {
                if (_failed.IsError && requests[i].Command != SmbCommand.Close)
                    continue;
                var answer = await _tree.Connection.CallAsync(_tree.Route, requests[i], orphaned: null, cancellationToken);
                _answers[i] = answer;
                if (answer.Status.IsError && !_failed.IsError)
                    _failed = answer.Status;
            }
        }
        catch (Exception cause) when (cause is OperationCanceledException or SmbException)
        {
            // The handle is open, unless the link ended and closed it.
            Later(_tree, _path, File.FileId, _leftover);
            throw;
        }
    }

    /// <summary>Closes what nobody holds any more, and removes it where it must not stay.</summary>
    public static void Later(SmbTree tree, string path, FileId file, Leftover leftover) => tree.Connection.Cleanup(async token =>
    {
        if (leftover == Leftover.GoesByHandle)
        {
            using (await tree.Connection.CallAsync(tree.Route, SetInfoRequest.Delete(file), orphaned: null, token))
            {
                // Refused, the file stays: its name may be another's by now.
            }
        }
        using (await tree.Connection.CallAsync(tree.Route, new CloseRequest(file), orphaned: null, token))
        {
            // FILE_CLOSED is as good as success.
        }
        if (leftover == Leftover.GoesByName)
            await tree.DeleteAsync(path, token);
    });

    private static bool IsRefusal(NtStatus status) => status == NtStatus.InvalidParameter || status == NtStatus.NotSupported || status == NtStatus.NotImplemented
        || status == NtStatus.InvalidDeviceRequest || status == NtStatus.InvalidHandle || status == NtStatus.FileClosed;
}
