using System.Runtime.CompilerServices;
using Capstan.Smb.Connection;
using Capstan.Smb.Wire;

namespace Capstan.Smb.Files;

/// <summary>Opens a file, does a few things with it, and closes it: in one round trip where the server takes related requests ([MS-SMB2] 3.2.4.1.4),
/// else one after the other.</summary>
/// <remarks>Servers differ in what they do with the requests behind one that failed, so nothing may stand there that must not happen then: no rename behind a write.
/// The handle is closed when this returns or throws, whatever failed, except by <see cref="OpenAsync"/>.</remarks>
internal sealed class FileChain : IDisposable
{
    private readonly SmbTree _tree;
    private readonly string _path;
    private readonly Response?[] _answers;
    private NtStatus _failed;

    private FileChain(SmbTree tree, string path, int steps)
    {
        _tree = tree;
        _path = path;
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
        var chain = await OpenAsync(tree, path, how, file => [.. steps(file), new CloseRequest(file)], undo: null, cancellationToken);
        try
        {
            // A close behind a step that failed may have failed with it; then the handle is open still.
            if (!chain.Opened.IsError && chain[chain._answers.Length - 1].IsError)
                await chain.CloseAsync(cancellationToken);
            return chain;
        }
        catch
        {
            chain.Dispose();
            throw;
        }
    }

    /// <summary>Opens and runs the steps; closing is the caller's.</summary>
    /// <param name="undo">When the caller gives up: what to do with the handle (null: closing it is among the steps).</param>
    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    public static async ValueTask<FileChain> OpenAsync(SmbTree tree, string path, SmbOpen how, Func<FileId, SmbRequest[]> steps, Func<FileId, SmbRequest[]>? undo,
        CancellationToken cancellationToken)
    {
        var create = new CreateRequest(tree.WirePath(path), how);
        SmbRequest[] related = [create, .. steps(FileId.FromChain)];
        var chain = new FileChain(tree, path, related.Length - 1);
        try
        {
            var connection = tree.Connection;
            if (related.Length > 1 && connection.Compounds && connection.CanAfford(related))
            {
                var answers = await connection.ChainAsync(tree.Route, related, Undo(tree, undo), cancellationToken);
                chain.Take(answers);
                await chain.RepairAsync(steps, cancellationToken);
            }
            else
            {
                // Somebody who gives up between two requests leaves the handle to this.
                using var answer = await connection.CallAsync(tree.Route, create, Undo(tree, undo ?? CloseOnly), cancellationToken);
                chain.TakeOpened(answer);
                if (!chain.Opened.IsError)
                    await chain.StepsAsync(steps(chain.File.FileId), from: 0, undo ?? CloseOnly, cancellationToken);
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

    public static SmbRequest[] CloseOnly(FileId file) => [new CloseRequest(file)];

    /// <summary>For a file that must not stay.</summary>
    public static SmbRequest[] DeleteAndClose(FileId file) => [SetInfoRequest.Delete(file), new CloseRequest(file)];

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
        await StepsAsync(steps(File.FileId), first, CloseOnly, cancellationToken);
        if (!this[first].IsError)
            _tree.Connection.Compounds = false;
    }

    private async ValueTask StepsAsync(SmbRequest[] requests, int from, Func<FileId, SmbRequest[]> undo, CancellationToken cancellationToken)
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
            Later(_tree, undo(File.FileId));
            throw;
        }
    }

    private static Action<Response>? Undo(SmbTree tree, Func<FileId, SmbRequest[]>? undo) => undo is null ? null : late =>
    {
        using (late)
            Later(tree, undo(CreateResponse.Read(late.Message).FileId));
    };

    private static void Later(SmbTree tree, SmbRequest[] requests) => tree.Connection.Cleanup(async token =>
    {
        foreach (var request in requests)
        {
            using var answer = await tree.Connection.CallAsync(tree.Route, request, orphaned: null, token);
        }
    });

    private static bool IsRefusal(NtStatus status) => status == NtStatus.InvalidParameter || status == NtStatus.NotSupported || status == NtStatus.NotImplemented
        || status == NtStatus.InvalidDeviceRequest || status == NtStatus.InvalidHandle || status == NtStatus.FileClosed;
}
