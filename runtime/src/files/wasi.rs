//! `wasi:filesystem` over the tree in memory: the guest's only file system.
//!
//! The traits come from wasmtime-wasi's bindings. Their descriptor type is for files of the host, so this module uses
//! only the numbers of these handles and keeps its own descriptors in the table.

use super::directory::{Directory, Node};
use super::file::File;
use super::link::Follow;
use super::open_node::OpenNode;
use super::shared::{Nanos, OpenOptions};
use super::streams::{MAX_READ, Reader, StreamFailure, WRITE_PERMIT, Writer, now, pay_for_read};
use super::tree::Files;
use crate::budget::HeldMemory;
use crate::meter::Meter;
use std::sync::Arc;
use std::time::Duration;
use wasmtime::component::{HasData, Resource, ResourceTable};
use wasmtime_wasi::p2::bindings::clocks::wall_clock::Datetime;
use wasmtime_wasi::p2::bindings::filesystem::types::ErrorCode;
use wasmtime_wasi::p2::bindings::sync::filesystem::{preopens, types};
use wasmtime_wasi::p2::{DynInputStream, DynOutputStream, FsError, FsResult};

/// Selects [`FilesView`] as the implementation of the bindings.
pub(crate) struct HasFiles;

impl HasData for HasFiles {
    type Data<'a> = FilesView<'a>;
}

/// The files and handles of a store, for one host call.
pub(crate) struct FilesView<'a> {
    pub(crate) files: &'a Files,
    pub(crate) table: &'a mut ResourceTable,
}

/// A directory that is being read.
struct Listing {
    directory: Arc<Directory>,
    /// The name that was read last.
    last: Option<String>,
    _held: HeldMemory,
}

impl FilesView<'_> {
    fn push(&mut self, node: Node, flags: types::DescriptorFlags) -> FsResult<Resource<types::Descriptor>> {
        let quota = self.files.quota().clone();
        let held = quota.handle()?;
        quota.open()?;
        let handle = self.table.push(OpenNode { node, flags, quota, _held: held })?;
        Ok(Resource::new_own(handle.rep()))
    }

    fn meter(&self) -> &Arc<Meter> {
        self.files.quota().meter()
    }

    fn get(&self, descriptor: &Resource<types::Descriptor>) -> FsResult<&OpenNode> {
        Ok(self.table.get(&Resource::<OpenNode>::new_borrow(descriptor.rep()))?)
    }

    fn file(&self, descriptor: &Resource<types::Descriptor>) -> FsResult<Arc<File>> {
        match &self.get(descriptor)?.node {
            Node::File(file) => Ok(file.clone()),
            Node::Directory(_) => Err(ErrorCode::IsDirectory.into()),
            Node::Link(_) => Err(ErrorCode::Invalid.into()),
        }
    }

    fn writable(&self, descriptor: &Resource<types::Descriptor>) -> FsResult<Arc<File>> {
        let open = self.get(descriptor)?;
        if !open.flags.contains(types::DescriptorFlags::WRITE) {
            return Err(ErrorCode::NotPermitted.into());
        }
        self.file(descriptor)
    }

    fn directory(&self, descriptor: &Resource<types::Descriptor>) -> FsResult<Arc<Directory>> {
        match &self.get(descriptor)?.node {
            Node::Directory(directory) => Ok(directory.clone()),
            Node::File(_) | Node::Link(_) => Err(ErrorCode::NotDirectory.into()),
        }
    }

    fn stat_of(node: &Node) -> types::DescriptorStat {
        let times = node.times();
        types::DescriptorStat {
            type_: type_of(node),
            link_count: 1,
            size: node.size(),
            data_access_timestamp: Some(datetime(times.accessed)),
            data_modification_timestamp: Some(datetime(times.modified)),
            status_change_timestamp: Some(datetime(times.changed)),
        }
    }

    fn hash_of(node: &Node) -> types::MetadataHashValue {
        types::MetadataHashValue { lower: node.id(), upper: 0 }
    }
}

impl preopens::Host for FilesView<'_> {
    fn get_directories(&mut self) -> wasmtime::Result<Vec<(Resource<types::Descriptor>, String)>> {
        let flags = types::DescriptorFlags::READ | types::DescriptorFlags::MUTATE_DIRECTORY;
        let root = self.push(Node::Directory(self.files.root()), flags).map_err(trap)?;
        Ok(vec![(root, "/".into())])
    }
}

impl types::Host for FilesView<'_> {
    fn convert_error_code(&mut self, error: FsError) -> wasmtime::Result<types::ErrorCode> {
        Ok(error.downcast()?.into())
    }

    fn filesystem_error_code(
        &mut self,
        error: Resource<wasmtime::Error>,
    ) -> wasmtime::Result<Option<types::ErrorCode>> {
        let error = self.table.get(&error)?;
        Ok(error.downcast_ref::<StreamFailure>().map(|failure| ErrorCode::from(failure.0).into()))
    }
}

impl types::HostDescriptor for FilesView<'_> {
    fn advise(
        &mut self,
        descriptor: Resource<types::Descriptor>,
        _offset: u64,
        _length: u64,
        _advice: types::Advice,
    ) -> FsResult<()> {
        self.get(&descriptor).map(|_| ())
    }

    fn sync_data(&mut self, descriptor: Resource<types::Descriptor>) -> FsResult<()> {
        self.get(&descriptor).map(|_| ())
    }

    fn sync(&mut self, descriptor: Resource<types::Descriptor>) -> FsResult<()> {
        self.get(&descriptor).map(|_| ())
    }

    fn get_flags(&mut self, descriptor: Resource<types::Descriptor>) -> FsResult<types::DescriptorFlags> {
        Ok(self.get(&descriptor)?.flags)
    }

    fn get_type(&mut self, descriptor: Resource<types::Descriptor>) -> FsResult<types::DescriptorType> {
        Ok(type_of(&self.get(&descriptor)?.node))
    }

    fn set_size(&mut self, descriptor: Resource<types::Descriptor>, size: u64) -> FsResult<()> {
        Ok(self.writable(&descriptor)?.set_size(size, now())?)
    }

    fn set_times(
        &mut self,
        descriptor: Resource<types::Descriptor>,
        accessed: types::NewTimestamp,
        modified: types::NewTimestamp,
    ) -> FsResult<()> {
        let now = now();
        let (accessed, modified) = (timestamp(accessed, now)?, timestamp(modified, now)?);
        Ok(self.get(&descriptor)?.node.set_times(accessed, modified, now)?)
    }

    fn read(&mut self, descriptor: Resource<types::Descriptor>, length: u64, offset: u64) -> FsResult<(Vec<u8>, bool)> {
        let file = self.file(&descriptor)?;
        let length = usize::try_from(length).unwrap_or(usize::MAX).min(MAX_READ);
        let bytes = file.read(offset, length);
        pay_for_read(self.meter(), &file, bytes.len());
        let end = offset.saturating_add(bytes.len() as u64) >= file.size();
        Ok((bytes, end))
    }

    fn write(&mut self, descriptor: Resource<types::Descriptor>, bytes: Vec<u8>, offset: u64) -> FsResult<u64> {
        self.meter().bytes(bytes.len());
        let now_written = &bytes[..bytes.len().min(WRITE_PERMIT)];
        self.writable(&descriptor)?.write(offset, now_written, now())?;
        Ok(now_written.len() as u64)
    }

    fn read_directory(
        &mut self,
        descriptor: Resource<types::Descriptor>,
    ) -> FsResult<Resource<types::DirectoryEntryStream>> {
        let directory = self.directory(&descriptor)?;
        let listing = Listing { directory, last: None, _held: self.files.quota().handle()? };
        let listing = self.table.push(listing)?;
        Ok(Resource::new_own(listing.rep()))
    }

    fn create_directory_at(&mut self, descriptor: Resource<types::Descriptor>, path: String) -> FsResult<()> {
        let base = self.directory(&descriptor)?;
        Ok(self.files.make_directory(&base, &path, now())?)
    }

    fn stat(&mut self, descriptor: Resource<types::Descriptor>) -> FsResult<types::DescriptorStat> {
        Ok(Self::stat_of(&self.get(&descriptor)?.node))
    }

    fn stat_at(
        &mut self,
        descriptor: Resource<types::Descriptor>,
        flags: types::PathFlags,
        path: String,
    ) -> FsResult<types::DescriptorStat> {
        let base = self.directory(&descriptor)?;
        Ok(Self::stat_of(&self.files.find(&base, &path, follow(flags))?))
    }

    fn set_times_at(
        &mut self,
        descriptor: Resource<types::Descriptor>,
        flags: types::PathFlags,
        path: String,
        accessed: types::NewTimestamp,
        modified: types::NewTimestamp,
    ) -> FsResult<()> {
        let now = now();
        let (accessed, modified) = (timestamp(accessed, now)?, timestamp(modified, now)?);
        let base = self.directory(&descriptor)?;
        Ok(self.files.find(&base, &path, follow(flags))?.set_times(accessed, modified, now)?)
    }

    fn link_at(
        &mut self,
        _descriptor: Resource<types::Descriptor>,
        _flags: types::PathFlags,
        _old_path: String,
        _new_descriptor: Resource<types::Descriptor>,
        _new_path: String,
    ) -> FsResult<()> {
        Err(ErrorCode::NotPermitted.into())
    }

    fn symlink_at(&mut self, descriptor: Resource<types::Descriptor>, target: String, path: String) -> FsResult<()> {
        let base = self.directory(&descriptor)?;
        Ok(self.files.make_link(&base, &target, &path, now())?)
    }

    fn readlink_at(&mut self, descriptor: Resource<types::Descriptor>, path: String) -> FsResult<String> {
        let base = self.directory(&descriptor)?;
        Ok(self.files.read_link(&base, &path)?)
    }

    fn open_at(
        &mut self,
        descriptor: Resource<types::Descriptor>,
        path_flags: types::PathFlags,
        path: String,
        how: types::OpenFlags,
        flags: types::DescriptorFlags,
    ) -> FsResult<Resource<types::Descriptor>> {
        let base = self.directory(&descriptor)?;
        let options = OpenOptions {
            create: how.contains(types::OpenFlags::CREATE),
            exclusive: how.contains(types::OpenFlags::EXCLUSIVE),
            directory: how.contains(types::OpenFlags::DIRECTORY),
            truncate: how.contains(types::OpenFlags::TRUNCATE),
            write: flags.contains(types::DescriptorFlags::WRITE),
            follow: path_flags.contains(types::PathFlags::SYMLINK_FOLLOW),
        };
        let node = self.files.open(&base, &path, options, now())?;
        self.push(node, flags)
    }

    fn remove_directory_at(&mut self, descriptor: Resource<types::Descriptor>, path: String) -> FsResult<()> {
        let base = self.directory(&descriptor)?;
        Ok(self.files.remove_directory(&base, &path, now())?)
    }

    fn rename_at(
        &mut self,
        descriptor: Resource<types::Descriptor>,
        old_path: String,
        new_descriptor: Resource<types::Descriptor>,
        new_path: String,
    ) -> FsResult<()> {
        let (old, new) = (self.directory(&descriptor)?, self.directory(&new_descriptor)?);
        Ok(self.files.rename((&old, &old_path), (&new, &new_path), now())?)
    }

    fn unlink_file_at(&mut self, descriptor: Resource<types::Descriptor>, path: String) -> FsResult<()> {
        let base = self.directory(&descriptor)?;
        Ok(self.files.remove_file(&base, &path, now())?)
    }

    fn read_via_stream(
        &mut self,
        descriptor: Resource<types::Descriptor>,
        offset: u64,
    ) -> FsResult<Resource<DynInputStream>> {
        let file = self.file(&descriptor)?;
        let stream: DynInputStream =
            Box::new(Reader { file, offset, meter: self.meter().clone(), _held: self.files.quota().handle()? });
        Ok(self.table.push(stream)?)
    }

    fn write_via_stream(
        &mut self,
        descriptor: Resource<types::Descriptor>,
        offset: u64,
    ) -> FsResult<Resource<DynOutputStream>> {
        let file = self.writable(&descriptor)?;
        let stream: DynOutputStream = Box::new(Writer::new(file, Some(offset), self.files.quota())?);
        Ok(self.table.push(stream)?)
    }

    fn append_via_stream(&mut self, descriptor: Resource<types::Descriptor>) -> FsResult<Resource<DynOutputStream>> {
        let file = self.writable(&descriptor)?;
        let stream: DynOutputStream = Box::new(Writer::new(file, None, self.files.quota())?);
        Ok(self.table.push(stream)?)
    }

    fn is_same_object(
        &mut self,
        one: Resource<types::Descriptor>,
        other: Resource<types::Descriptor>,
    ) -> wasmtime::Result<bool> {
        let (one, other) = (self.get(&one).map_err(trap)?, self.get(&other).map_err(trap)?);
        Ok(one.node.id() == other.node.id())
    }

    fn metadata_hash(&mut self, descriptor: Resource<types::Descriptor>) -> FsResult<types::MetadataHashValue> {
        Ok(Self::hash_of(&self.get(&descriptor)?.node))
    }

    fn metadata_hash_at(
        &mut self,
        descriptor: Resource<types::Descriptor>,
        flags: types::PathFlags,
        path: String,
    ) -> FsResult<types::MetadataHashValue> {
        let base = self.directory(&descriptor)?;
        Ok(Self::hash_of(&self.files.find(&base, &path, follow(flags))?))
    }

    fn drop(&mut self, descriptor: Resource<types::Descriptor>) -> wasmtime::Result<()> {
        self.table.delete(Resource::<OpenNode>::new_own(descriptor.rep()))?;
        Ok(())
    }
}

impl types::HostDirectoryEntryStream for FilesView<'_> {
    fn read_directory_entry(
        &mut self,
        stream: Resource<types::DirectoryEntryStream>,
    ) -> FsResult<Option<types::DirectoryEntry>> {
        self.meter().things(1);
        let listing = self.table.get_mut(&Resource::<Listing>::new_borrow(stream.rep()))?;
        let Some((name, node)) = listing.directory.next_after(listing.last.as_deref()) else { return Ok(None) };
        listing.last = Some(name.clone());
        Ok(Some(types::DirectoryEntry { type_: type_of(&node), name }))
    }

    fn drop(&mut self, stream: Resource<types::DirectoryEntryStream>) -> wasmtime::Result<()> {
        self.table.delete(Resource::<Listing>::new_own(stream.rep()))?;
        Ok(())
    }
}

fn type_of(node: &Node) -> types::DescriptorType {
    match node {
        Node::File(file) if file.as_device().is_some() => types::DescriptorType::CharacterDevice,
        Node::File(_) => types::DescriptorType::RegularFile,
        Node::Directory(_) => types::DescriptorType::Directory,
        Node::Link(_) => types::DescriptorType::SymbolicLink,
    }
}

/// Returns whether a link at the end of a path is followed.
fn follow(flags: types::PathFlags) -> Follow {
    if flags.contains(types::PathFlags::SYMLINK_FOLLOW) { Follow::Always } else { Follow::BeforeSlash }
}

fn trap(error: FsError) -> wasmtime::Error {
    wasmtime::format_err!("a descriptor that the guest does not have: {error:?}")
}

fn datetime(nanos: Nanos) -> Datetime {
    let at = Duration::from_nanos(nanos);
    Datetime { seconds: at.as_secs(), nanoseconds: at.subsec_nanos() }
}

/// Returns the time that a guest sets. Times that do not fit into 64 bits of nanoseconds are refused.
fn timestamp(asked: types::NewTimestamp, now: Nanos) -> FsResult<Option<Nanos>> {
    match asked {
        types::NewTimestamp::NoChange => Ok(None),
        types::NewTimestamp::Now => Ok(Some(now)),
        types::NewTimestamp::Timestamp(at) => {
            let nanos = at.seconds.checked_mul(1_000_000_000).and_then(|n| n.checked_add(at.nanoseconds.into()));
            nanos.map(Some).ok_or_else(|| ErrorCode::Overflow.into())
        }
    }
}
